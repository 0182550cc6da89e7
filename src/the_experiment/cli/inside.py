"""The verbs that look inside a model and break it: each runs a request and keeps a card of it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.defaults import Maps, Replacement
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

if TYPE_CHECKING:
    from the_experiment.inside.card import VerbRequest

app = Verbs()
_verb = functools.partial(app.command, rich_help_panel=options.INSIDE)


@_verb(
    epilog=options.examples(
        "the-experiment inspect 1,0,1,0,1 --what lens",
        "the-experiment inspect 1,0,1,0,1 --what attention --model tiny-gpt2-causal",
    )
)
def inspect(
    sequence: options.State,
    what: Annotated[Maps, options.Option("--what", help="The maps to show.")] = "lens",
    site: Annotated[
        str, options.Option(help="Show a single site, such as pattern.0.1 or mlp_act.2.")
    ] = "",
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Heat maps of attention, logit lens, activations, weights or logits."""
    from the_experiment.inside.verbs.inspect import Inspect

    _look(Inspect.checked(sequence=sequence, what=what, site=site or None), model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment attribute",
        "the-experiment attribute 1,0,1,0,1 --model tiny-cnn-causal",
    )
)
def attribute(
    sequence: Annotated[
        str,
        typer.Argument(
            metavar="[SEQ]", help="The sequence to explain. Default: the average over all states."
        ),
    ] = "",
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Direct logit attribution of heads and MLPs, and integrated gradients of inputs."""
    from the_experiment.inside.verbs.attribute import Attribute

    _look(Attribute.checked(sequence=sequence or None, seed=seed), model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment patch 1,0,1,0,1 --to 0,0,1,0,1",
        "the-experiment patch --model tiny-cnn-causal",
    )
)
def patch(
    sequence: Annotated[
        str,
        typer.Argument(
            metavar="[SEQ]",
            help="The base sequence. Default: all pairs of states that differ in one input.",
        ),
    ] = "",
    to: Annotated[
        str, options.Option(help="The source sequence. Default: the base with one input changed.")
    ] = "",
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Activation patching: which layer and position, and which head, carries the answer?"""
    from the_experiment.inside.verbs.patch import PatchMaps

    request = PatchMaps.checked(sequence=sequence or None, to=to or None, seed=seed)
    _look(request, model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment ablate --each head",
        "the-experiment ablate --each layer --mode zero --model tiny-rnn-causal",
    )
)
def ablate(
    each: Annotated[
        str,
        options.Option(
            help="What to ablate, one at a time: head, layer, attention, mlp or "
            "neuron; gate for an RNN."
        ),
    ] = "head",
    mode: Annotated[
        Replacement,
        options.Option(
            help="The replacement for the ablated activations: zero, mean, or "
            "those of another state."
        ),
    ] = "mean",
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Ablate each head, layer, MLP or neuron: the drop in accuracy, part by part."""
    from the_experiment.inside.verbs.ablate import AblateEach

    _look(AblateEach.checked(each=each, mode=mode, seed=seed), model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment force newB=0 1,0,1,0,1",
        "the-experiment force --all --model tiny-rnn-causal",
    )
)
def force(
    forced: Annotated[
        str,
        typer.Argument(
            metavar="[PART=VALUE]", help="The part to force and its value, such as newB=0."
        ),
    ] = "",
    sequence: Annotated[
        str, typer.Argument(metavar="[SEQ]", help="The sequence in which to force it.")
    ] = "",
    every: Annotated[
        bool, options.Option("--all", help="Force every part in every seen and held-out state.")
    ] = False,
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Force a wrong part: do later parts follow it, or the input?"""
    from the_experiment.base.errors import UsageError
    from the_experiment.inside.verbs.force import Force

    if every and forced:
        raise UsageError("--all already forces every part", f"give {forced!r} or --all, not both")
    part, value = (None, None) if every else options.assignment(forced)
    request = Force.checked(part=part, value=value, sequence=sequence or None, seed=seed)
    _look(request, model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment probe --for newB",
        "the-experiment probe --for newA --model tiny-rnn-causal",
    )
)
def probe(
    of: Annotated[
        str, options.Option("--for", help="The input or output to probe for, such as newB.")
    ],
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Linear probes of every layer, beside an untrained model and shuffled labels."""
    from the_experiment.inside.verbs.probe import Probe

    _look(Probe.checked(of=of, seed=seed), model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment damage 1,0,1,0,1 --flip 0.1%",
        "the-experiment damage 1,0,1,0,1 --nuke layer:3 --at-token 4",
    )
)
def damage(
    sequence: options.State,
    flip: Annotated[
        str, options.Option(help="Flip the sign of this share of the weights, such as 0.1%.")
    ] = "",
    zero: Annotated[
        str,
        options.Option(
            help="Zero a component, such as head:2.1, or a share of the weights, such as 1%."
        ),
    ] = "",
    noise: Annotated[
        float,
        options.Option(
            min=0,
            help="Add Gaussian noise to the residual stream before each layer, "
            "in standard deviations.",
        ),
    ] = 0.0,
    nuke: Annotated[str, options.Option(help="Zero a whole component, such as layer:3.")] = "",
    at_token: Annotated[
        int,
        options.Option(
            min=0, help="Apply the damage from the t-th generated token on. 0: from the start."
        ),
    ] = 0,
    heal: Annotated[
        int, options.Option(min=0, help="Train for this many steps after the damage.")
    ] = 0,
    seed: options.Seed = 0,
    model: options.Models = defaults.INSIDE_MODELS,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Damage a model: flip weights, add noise, zero heads or layers. How much does it tolerate?"""
    from the_experiment.base.errors import UsageError
    from the_experiment.inside.verbs.damage import Damage

    if nuke and ":" in zero:
        raise UsageError("--zero and --nuke both name a component", "give one of them")
    request = Damage.checked(
        sequence=sequence,
        flip=options.share(flip),
        zero=options.share(zero) if ":" not in zero else None,
        noise=noise or None,
        prune=nuke or (zero if ":" in zero else None),
        at_token=at_token or None,
        heal=heal,
        seed=seed,
    )
    _look(request, model, out, as_json)


@_verb(
    epilog=options.examples(
        "the-experiment faithfulness",
        "the-experiment faithfulness -m tiny-gpt2-causal -m tiny-rnn-causal",
    )
)
def faithfulness(
    seed: options.Seed = 0,
    model: options.Models = defaults.EVERY_MODEL,
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Faithfulness: the share of attribution on causal ancestors, beside untrained models."""
    from the_experiment.inside.verbs.faithfulness import Faithfulness

    _look(Faithfulness.checked(seed=seed), model, out, as_json)


def _look(request: VerbRequest, models: Sequence[str], out: Path, as_json: bool) -> None:
    """Run a request, print what came out, and write its card, picture and page."""
    from the_experiment.base.logs import stderr
    from the_experiment.inside.card import card_of
    from the_experiment.inside.subject import find_subjects
    from the_experiment.report.outcome import outcome_view, write_card
    from the_experiment.report.terminal import print_json, stdout

    subjects = find_subjects(models, out)
    outcome = request.run_on(subjects)
    card = card_of(request, subjects, outcome)
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        stdout.print(outcome_view(outcome))
    place = write_card(card, outcome, out)
    stderr.print(f"kept in {place}/", soft_wrap=True, markup=False)
