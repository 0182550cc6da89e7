"""How right a model is, in one teacher-forced forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError
from the_experiment.models.texts import (
    Encoded,
    Offsets,
    encode_all,
    pad_id,
    padded,
)

ROWS = 512  # of one forward
LOGITS = 2**27  # of one forward: half a gigabyte, which large vocabularies would overstep


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


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
) -> list[CompletionScore]:
    """The score of each (prompt, completion), in order. The model must be in evaluation mode.

    Raises `ExperimentError` for a text longer than the model has positions.
    """
    encoded = encode_all(tokenizer, pairs)
    longest = max((len(one.ids) for one in encoded), default=0)
    check_length(model, longest - 1)
    rows = max(1, min(ROWS, LOGITS // (len(tokenizer) * max(longest, 1))))
    chunks = [encoded[start : start + rows] for start in range(0, len(encoded), rows)]
    return [one for chunk in chunks for one in _scored(model, chunk, pad_id(tokenizer))]


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


def _logits(model: PreTrainedModel, rows: Sequence[Sequence[int]], pad: int) -> Tensor:
    """(rows, length, vocabulary), in float32."""
    inputs = padded(rows, pad)  # (rows, length)
    mask = padded([[1] * len(row) for row in rows], 0)
    logits: Tensor = model(
        input_ids=inputs.to(model.device), attention_mask=mask.to(model.device)
    ).logits
    return logits.float()


@torch.inference_mode()
def _scored(model: PreTrainedModel, encoded: Sequence[Encoded], pad: int) -> list[CompletionScore]:
    logits = _logits(model, [one.ids[:-1] for one in encoded], pad)
    targets = padded([one.ids[1:] for one in encoded], pad).to(model.device)
    logprobs = logits.log_softmax(-1)  # (rows, length, vocabulary)
    right = (logprobs.argmax(-1) == targets).cpu()
    given = logprobs.gather(-1, targets[..., None]).squeeze(-1).cpu()
    scores = []
    for row, one in enumerate(encoded):
        answer = slice(len(one.prompt) - 1, len(one.ids) - 1)
        flags, values = right[row, answer].tolist(), given[row, answer].tolist()
        scores.append(CompletionScore(tuple(flags), tuple(values), one.offsets))
    return scores


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
