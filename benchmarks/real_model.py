"""How fast a real model is asked and ablated, beside plain scripts that do the same.

    the-experiment models fetch smollm2
    python benchmarks/real_model.py smollm2 --rounds 3 --threads 1

Three pieces of work, each by us and by a plain script in turns, in float32:

- questions asked in words (`questions run --lite`: greedy answers, the likeliest of six forms of
  the right answer, and its log-probability; the script does the same in batches of 16);
- each head ablated by a hook, with the log-probability of the right answers (the script runs each
  batch as a whole for each head);
- a pair of programs traced: every layer's stream patched at every position from the counterfactual
  one (the script is a loop of nnsight's traces).

Without a folder a small random model stands in for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from nnsight import NNsight
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.experiments.questions.asking import FORMS, Asker
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.layer_scorer import LayerScorer
from the_experiment.inside.patching import Pair, Patching
from the_experiment.inside.program_pairs import ANSWER, PromptFormat
from the_experiment.inside.sites import Site
from the_experiment.models.pretrained import load_pretrained
from the_experiment.models.texts import encode_all
from the_experiment.worlds.programs.chain import counterfactual_pair
from the_experiment.worlds.programs.prompts import CODE
from the_experiment.worlds.questions.question import Question
from the_experiment.worlds.questions.reading import drawn_questions
from turns import OURS, parser, print_ratios, taken, timed

BATCH = 16  # of the plain scripts
SCRIPT = "a plain script"


def answers_by_script(asker: Asker, questions: Sequence[Question]) -> None:
    """Greedy answers in batches, and each form's log-probability in a forward of its own."""
    model, tokenizer = asker.model, asker.tokenizer
    prompts = asker.prompts(questions)
    tokenizer.padding_side = "left"
    for first in range(0, len(prompts), BATCH):
        batch = tokenizer(
            prompts[first : first + BATCH],
            return_tensors="pt",
            padding=True,
            add_special_tokens=False,
        )
        model.generate(  # type: ignore[operator,unused-ignore]
            **batch,
            max_new_tokens=asker.max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
        )
    totals = {}
    for form in FORMS:
        right = [form.written(question) for question in questions]
        totals[form] = sum(logprobs_by_script(model, tokenizer, prompts, right))
    best = max(totals, key=totals.__getitem__)
    logprobs_by_script(model, tokenizer, prompts, [best.written(one) for one in questions])


@torch.inference_mode()
def logprobs_by_script(
    model: PreTrainedModel, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]
) -> list[float]:
    """Of each answer, batch by batch, from the logits of all tokens."""
    found = []
    ids = [
        [tokenizer(text, add_special_tokens=False)["input_ids"] for text in pair]
        for pair in zip(prompts, answers, strict=True)
    ]
    for first in range(0, len(ids), BATCH):
        some = ids[first : first + BATCH]
        longest = max(len(prompt) + len(answer) for prompt, answer in some)
        rows = [[*prompt, *answer] + [0] * longest for prompt, answer in some]
        inputs = torch.tensor([row[:longest] for row in rows])
        logprobs = model(input_ids=inputs).logits.log_softmax(-1)
        for row, (prompt, answer) in enumerate(some):
            places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
            of = [logprobs[row, place, token] for place, token in zip(places, answer, strict=True)]
            found.append(float(sum(of)))
    return found


def heads_by_script(
    asker: Asker, questions: Sequence[Question], layers: Sequence[int]
) -> list[list[float]]:
    """Every head of these layers zeroed by a hook, one after the other."""
    model, config = asker.model, asker.model.config
    size = config.hidden_size // config.num_attention_heads
    prompts = asker.prompts(questions)
    right = [FORMS[0].written(question) for question in questions]
    found = []
    for layer in layers:
        projection = model.get_submodule(f"model.layers.{layer}.self_attn.o_proj")
        for head in range(config.num_attention_heads):
            with zeroed(projection, slice(head * size, (head + 1) * size)):
                found.append(logprobs_by_script(model, asker.tokenizer, prompts, right))
    return found


@contextmanager
def zeroed(module: torch.nn.Module, where: slice) -> Iterator[None]:
    """Within the block a part of the module's input is zero."""

    def hook(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        changed = given[0].clone()
        changed[..., where] = 0
        return (changed,)

    handle = module.register_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def heads_by_us(
    asker: Asker, questions: Sequence[Question], layers: Sequence[int]
) -> list[list[float]]:
    """The same."""
    hooked = HookedModel(asker.model)
    right = [FORMS[0].written(question) for question in questions]
    pairs = list(zip(asker.prompts(questions), right, strict=True))
    encoded = encode_all(asker.tokenizer, pairs)
    found = []
    for layer in layers:
        texts = LayerScorer(hooked, encoded, layer)
        for head in range(asker.model.config.num_attention_heads):
            found.append(texts.logprobs([Site("z", layer, head)]))
    return found


def traced_by_nnsight(model: PreTrainedModel, pair: Pair) -> list[list[float]]:
    """By layer and position: how far a patch moves the logits towards the other answer."""
    wrapped = NNsight(model)
    base, source = (torch.tensor([text.ids[:-1]]) for text in (pair.base, pair.source))
    layers = model.config.num_hidden_layers
    streams = []
    with wrapped.trace(source):
        for layer in range(layers):
            streams.append(wrapped.model.layers[layer].input.save())
    with wrapped.trace(base):
        clean = wrapped.lm_head.output[0, -1].save()
    one, other = pair.base.ids[-1], pair.source.ids[-1]
    found = []
    for layer in range(layers):
        row = []
        for place in range(base.shape[1]):
            with wrapped.trace(base):
                wrapped.model.layers[layer].input[:, place] = streams[layer][:, place]
                last = wrapped.lm_head.output[0, -1].save()
            row.append(float((last[other] - last[one]) - (clean[other] - clean[one])))
        found.append(row)
    return found


def traced_by_us(model: PreTrainedModel, pair: Pair) -> list[list[float]]:
    """The same."""
    effect = Patching(HookedModel(model), [pair], [ANSWER]).at_positions().effect
    found: list[list[float]] = effect[0, :, :, 0].tolist()
    return found


def answers_by_us(asker: Asker, questions: Sequence[Question]) -> None:
    """As `questions run --lite` does."""
    asker.answers(questions, asker.likeliest_form(questions))


def asker_of(folder: str) -> Asker:
    """The model in its chat template if it has one; a small random one without a folder."""
    if folder:
        model, tokenizer = load_pretrained(folder, "cpu", "float32")
        return Asker(model, tokenizer, "chat", max_new_tokens=32)
    alphabet = "".join(sorted({*"0123456789 ?.+-*/:=#\nQA"} | {chr(n) for n in range(65, 123)}))
    tokenizer = character_tokenizer(alphabet)
    shape: dict[str, Any] = {
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "vocab_size": len(tokenizer),
    }
    config = LlamaConfig(hidden_size=32, intermediate_size=64, **shape)
    return Asker(LlamaForCausalLM(config).eval(), tokenizer, "plain", max_new_tokens=4)


def check_alike(one: Sequence[Sequence[float]], other: Sequence[Sequence[float]]) -> None:
    """Raise where the two ways don't give the same."""
    torch.testing.assert_close(torch.tensor(one), torch.tensor(other), atol=2e-3, rtol=0)


def main() -> None:
    """Run the turns and print the tables."""
    options = parser(__doc__, rounds=3, threads=1)
    options.add_argument("model", nargs="?", default="", help="a folder; none: a small random one")
    options.add_argument("--questions", type=int, default=80)
    options.add_argument("--layers", type=int, default=0, help="of how many layers; 0: of all")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    asker = asker_of(given.model)
    questions = drawn_questions("arithmetic", given.questions, 1, seed=1)
    every = asker.model.config.num_hidden_layers
    count = given.layers or every
    layers = [place * every // count for place in range(count)]  # evenly over the model
    check_alike(
        heads_by_us(asker, questions[:8], layers[-1:]),
        heads_by_script(asker, questions[:8], layers[-1:]),
    )
    asking = PromptFormat(asker.tokenizer, CODE, "auto")
    pair = asking.pair(counterfactual_pair("e=3\nb=e\nk=5\n#b:", 7))
    with torch.no_grad():
        check_alike(traced_by_us(asker.model, pair), traced_by_nnsight(asker.model, pair))
    work: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        f"{len(questions)} questions": (
            lambda: answers_by_script(asker, questions),
            lambda: answers_by_us(asker, questions),
        ),
        f"heads of {len(layers)} layers on {len(questions)} questions": (
            lambda: heads_by_script(asker, questions, layers),
            lambda: heads_by_us(asker, questions, layers),
        ),
        f"a pair of {len(pair.base.ids) - 1} tokens traced": (
            lambda: traced_by_nnsight(asker.model, pair),
            lambda: traced_by_us(asker.model, pair),
        ),
    }
    for what, (theirs, mine) in work.items():
        turns = {SCRIPT: timed(theirs), OURS: timed(mine)}
        with torch.no_grad():
            print_ratios(what, taken(turns, given.rounds), "fp32")


if __name__ == "__main__":
    main()
