"""How fast a whole residual sweep is beside nnsight: the same patches of the same model.

    python benchmarks/residual_sweep.py --pairs 1 --rounds 5

Every layer's stream of a GPT-2 (128 wide, 4 layers, 4 heads; 23 tokens) is patched at every
position from another text, and the logits at the last position are kept. nnsight does it in two
ways: in a
loop, one trace a layer and position, all pairs as rows; and batched, one trace a layer, every
position a row. Ours is `sweep`. All take turns in one process, without gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from nnsight import NNsight
from torch import Tensor

from the_experiment.inside.edits import Edit
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.sweep import Trial, sweep
from the_experiment.models.architectures import Shape, build
from the_experiment.models.loading import fuse_gelu
from turns import OURS, parser, print_ratios, taken, timed

LENGTH, VOCABULARY = 23, 17
LAST = torch.tensor([LENGTH - 1])


def ours(hooked: HookedModel, clean: Tensor, source: Tensor) -> Tensor:
    """(pairs, layers, positions, vocabulary)."""
    pairs, both = len(clean), torch.cat([clean, source])
    recording = hooked.recorded(both)
    sites = hooked.sites("resid_pre")
    trials = [
        Trial(pair, (Edit(site, (place,), stream[pairs + pair, place]),))
        for pair in range(pairs)
        for site, stream in zip(sites, recording.streams, strict=True)
        for place in range(LENGTH)
    ]
    logits = torch.empty(len(trials), VOCABULARY)
    for numbers, found in sweep(hooked, both, trials, LAST, recording):
        logits[torch.tensor(numbers)] = found[:, 0]
    return logits.view(pairs, len(sites), LENGTH, VOCABULARY)


def looped(traced: NNsight, clean: Tensor, source: Tensor) -> Tensor:
    """nnsight, one trace for each layer and position."""
    layers = len(traced.transformer.h)
    logits = torch.empty(len(clean), layers, LENGTH, VOCABULARY)
    streams = sources(traced, source, layers)
    for layer in range(layers):
        for place in range(LENGTH):
            with traced.trace(clean):
                traced.transformer.h[layer].input[:, place] = streams[layer][:, place]
                last = traced.lm_head.output[:, -1].save()
            logits[:, layer, place] = last
    return logits


def batched(traced: NNsight, clean: Tensor, source: Tensor) -> Tensor:
    """nnsight, one trace for each layer, with a row for each pair and position."""
    layers = len(traced.transformer.h)
    logits = torch.empty(len(clean), layers, LENGTH, VOCABULARY)
    streams = sources(traced, source, layers)
    rows = torch.arange(len(clean) * LENGTH)
    places = torch.arange(LENGTH).repeat(len(clean))
    repeated = clean.repeat_interleave(LENGTH, 0)
    for layer in range(layers):
        with traced.trace(repeated):
            traced.transformer.h[layer].input[rows, places] = streams[layer].flatten(0, 1)
            last = traced.lm_head.output[:, -1].save()
        logits[:, layer] = last.view(len(clean), LENGTH, VOCABULARY)
    return logits


def sources(traced: NNsight, source: Tensor, layers: int) -> list[Tensor]:
    """What each layer reads of the other texts."""
    streams = []
    with traced.trace(source):
        for layer in range(layers):
            streams.append(traced.transformer.h[layer].input.save())
    return streams


def main() -> None:
    """Check that all three agree, run the turns and print the table."""
    options = parser(__doc__, rounds=5, threads=2)
    options.add_argument("--pairs", type=int, default=1)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = build("gpt2", Shape(VOCABULARY, 64)).eval()
    hooked, traced = HookedModel(fuse_gelu(deepcopy(model))), NNsight(model)  # as we load models
    clean, source = torch.randint(3, VOCABULARY, (2, given.pairs, LENGTH))
    ways: dict[str, Callable[[], Tensor]] = {
        OURS: lambda: ours(hooked, clean, source),
        "nnsight, looped": lambda: looped(traced, clean, source),
        "nnsight, batched by rows": lambda: batched(traced, clean, source),
    }
    with torch.no_grad():
        right = ways[OURS]()
        for way in ways.values():
            torch.testing.assert_close(way(), right, atol=1e-4, rtol=1e-4)
        turns = {name: timed(way) for name, way in ways.items()}
        print_ratios("a sweep", taken(turns, given.rounds), f"{given.pairs} pairs")


if __name__ == "__main__":
    main()
