"""How right a model is, in one teacher-forced forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from transformers import (
    DynamicCache,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.cache_utils import DynamicLayer
from transformers.utils.generic import ModelOutput

from the_experiment.base.errors import ExperimentError
from the_experiment.models.texts import (
    Encoded,
    Offsets,
    encode_all,
    pad_id,
    padded,
)

PAST = ("cache", "past_key_values")  # the names of keys and values: transformers has renamed them
TOKENS = 2**13  # of one forward, which bounds its memory
LOGITS = 2**27  # the same: half a gigabyte, which large vocabularies would overstep


@dataclass(frozen=True)
class CompletionScore:
    """How one completion fared, token by token; the last token is the end token."""

    right: tuple[bool, ...]  # is it the likeliest token, all before it being given?
    logprobs: tuple[float, ...]  # natural logarithms
    offsets: Offsets  # into the completion's text

    @property
    def exact(self) -> bool:
        """Whether greedy decoding writes exactly this completion, and ends it.

        The first wrong token is the same with all right ones given as with the model's own.
        """
        return all(self.right)

    @property
    def answered(self) -> bool:
        """Whether greedy decoding writes this completion first, whatever comes after it."""
        return all(self.right[:-1])

    @property
    def logprob(self) -> float:
        """Natural logarithm of the probability of the whole completion."""
        return sum(self.logprobs)


@torch.inference_mode()
def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
) -> list[CompletionScore]:
    """The score of each (prompt, completion), in order. The model must be in evaluation mode.

    A prompt that several completions follow is read once, and of no prompt more logits are taken
    than are needed. Raises `ExperimentError` for a text longer than the model has positions.
    """
    encoded = encode_all(tokenizer, pairs)
    check_length(model, max((len(one.ids) for one in encoded), default=0) - 1)
    shares = len({one.prompt for one in encoded}) < len(encoded) and keeps_past(model)
    scored = _after_prompts if shares else _in_one_forward
    found: dict[int, CompletionScore] = {}
    for batch in batches(encoded, len(tokenizer), by_prompt=shares):
        some = [encoded[number] for number in batch]
        found |= dict(zip(batch, scored(model, some, pad_id(tokenizer)), strict=True))
    return [found[number] for number in range(len(encoded))]


def keeps_past(model: PreTrainedModel) -> bool:
    """Whether what a prompt leaves in the model can be read by several texts that go on from it.

    Where a layer keeps a window only, or something else than keys and values, it can't.
    """
    if not past_name(model) or "logits_to_keep" not in signature(model.forward).parameters:
        return False
    with torch.inference_mode():
        token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
        past = past_of(model(input_ids=token, use_cache=True))
    layers = past.layers if isinstance(past, DynamicCache) else []
    return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)


def past_of(output: ModelOutput) -> DynamicCache | None:
    """The keys and values that a run left, whatever its transformers calls them; or None."""
    return next((output[name] for name in PAST if name in output), None)


def past_name(model: PreTrainedModel) -> str:
    """What the model calls keys and values that it is given, which transformers has renamed."""
    known = signature(model.forward).parameters
    return next((name for name in PAST if name in known), "")


def batches(
    encoded: Sequence[Encoded], vocabulary: int, *, by_prompt: bool = False
) -> Iterator[list[int]]:
    """The numbers of texts of like lengths that run together, as memory has room for them.

    `by_prompt`: prompts of one length alone, and the completions of one after the other.
    """

    def key(number: int) -> tuple[Any, ...]:
        one = encoded[number]
        return (len(one.prompt), one.prompt) if by_prompt else (len(one.ids),)

    batch: list[int] = []
    shortest = longest = 0  # of the batch: a prompt, and a text
    for number in sorted(range(len(encoded)), key=key):
        prompt, text = len(encoded[number].prompt), len(encoded[number].ids)
        least, most, rows = min(shortest, prompt), max(longest, text), len(batch) + 1
        full = rows * most > TOKENS or rows * (most - least) * vocabulary > LOGITS
        if batch and (full or (by_prompt and prompt != shortest)):
            yield batch
            batch = []
        batch.append(number)
        shortest, longest = (least, most) if len(batch) > 1 else (prompt, text)
    if batch:
        yield batch


@torch.inference_mode()
def likeliest(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> list[list[int]]:
    """The likeliest token at each place of each completion, all before it being given.

    `rows` are the tokens of prompts and of their completions. Raises `ExperimentError` as `score`.
    """
    texts = [(*prompt, *completion) for prompt, completion in rows]
    check_length(model, max(map(len, texts)) - 1)
    logits = _logits(model, [text[:-1] for text in texts], pad_id(tokenizer))
    tokens = logits.argmax(-1).tolist()  # (rows, length)
    return [
        found[len(prompt) - 1 : len(text) - 1]
        for found, text, (prompt, _) in zip(tokens, texts, rows, strict=True)
    ]


def _logits(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], pad: int, first: int = 0
) -> Tensor:
    """(rows, length, vocabulary) from the position `first` on, in float32."""
    inputs = padded(rows, pad)  # (rows, length)
    mask = padded([[1] * len(row) for row in rows], 0)
    asked = {"input_ids": inputs.to(model.device), "attention_mask": mask.to(model.device)}
    if "logits_to_keep" in signature(model.forward).parameters:
        logits: Tensor = model(**asked, logits_to_keep=inputs.shape[1] - first).logits
        return logits.float()
    logits = model(**asked).logits[:, first:]
    return logits.float()


def _in_one_forward(
    model: PreTrainedModel, encoded: Sequence[Encoded], pad: int
) -> list[CompletionScore]:
    """Prompts and completions together."""
    first = min(len(one.prompt) for one in encoded) - 1  # the position that is asked first
    logits = _logits(model, [one.ids[:-1] for one in encoded], pad, first)
    return scores_of(logits, encoded, pad, first)


def _after_prompts(
    model: PreTrainedModel, encoded: Sequence[Encoded], pad: int
) -> list[CompletionScore]:
    """Prompts of one length first, each once, and then the completions that follow them."""
    prompts = {prompt: row for row, prompt in enumerate(dict.fromkeys(o.prompt for o in encoded))}
    rows = torch.tensor([prompts[one.prompt] for one in encoded])
    ids = torch.tensor([*prompts], device=model.device)
    ran = model(input_ids=ids, use_cache=True, logits_to_keep=1)
    logits = ran.logits[rows].float()  # (texts, 1, vocabulary)
    inputs = padded([one.completion[:-1] for one in encoded], pad).to(model.device)
    if inputs.shape[1]:
        asked = going_on(model, past_of(ran), rows)
        logits = torch.cat([logits, model(input_ids=inputs, **asked).logits.float()], 1)
    return scores_of(logits, encoded, pad, ids.shape[1] - 1)


def going_on(model: PreTrainedModel, past: DynamicCache | None, rows: Tensor) -> dict[str, Any]:
    """The arguments of a run of texts that go on from those of these rows of an earlier one.

    `rows` may name one several times; what layers that weren't run left is filled with zeros.
    """
    assert past is not None  # see `keeps_past`
    length = past.get_seq_length(next(n for n, one in enumerate(past.layers) if _is_filled(one)))
    own = DynamicCache()
    for number, layer in enumerate(past.layers):
        if _is_filled(layer):
            own.update(layer.keys[rows], layer.values[rows], number)
        else:
            nothing = torch.zeros(len(rows), 1, length, 1, device=model.device)
            own.update(nothing, nothing, number)  # nobody looks, but its length is read
    return {past_name(model): own, "use_cache": True}


def _is_filled(layer: DynamicLayer) -> bool:
    return layer.keys is not None and layer.keys.numel() > 0


def scores_of(
    logits: Tensor, encoded: Sequence[Encoded], pad: int, first: int
) -> list[CompletionScore]:
    """The score of each completion, from the logits of the positions from `first` on.

    `logits` are (texts, positions, vocabulary).
    """
    logprobs = logits.float().log_softmax(-1)
    targets = padded([one.ids[1:] for one in encoded], pad)[:, first:].to(logits.device)
    right = (logprobs.argmax(-1) == targets).tolist()
    given = logprobs.gather(-1, targets[..., None]).squeeze(-1).tolist()
    found = []
    for row, one in enumerate(encoded):
        answer = slice(len(one.prompt) - 1 - first, len(one.ids) - 1 - first)
        flags, values = tuple(right[row][answer]), tuple(given[row][answer])
        found.append(CompletionScore(flags, values, one.offsets))
    return found


def max_positions(model: PreTrainedModel) -> int | None:
    """How many tokens a text may have; None where there is no end."""
    return max_positions_of(model.config)


def max_positions_of(config: PretrainedConfig) -> int | None:
    """How many tokens a text may have in models of such a configuration; None: any number."""
    found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return None if found is None else int(found)


def check_length(model: PreTrainedModel, tokens: int) -> None:
    """Raise `ExperimentError` if a text of so many tokens has no room in the model."""
    positions = max_positions(model)
    if positions is not None and tokens > positions:
        raise ExperimentError(
            f"a text of {tokens} tokens exceeds the context length, {positions}",
            "use shorter texts, or train a model on texts of that length",
        )
