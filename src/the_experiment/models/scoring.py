"""How right a model is: one teacher-forced forward, or greedy decoding where text is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError
from the_experiment.models.texts import (
    Encoded,
    Offsets,
    encode,
    end_id,
    pad_id,
    padded,
    prompt_ids,
)

ROWS = 512  # of one forward
LOGITS = 2**27  # of one forward: half a gigabyte, which large vocabularies would overstep
TOKENS = 2**15  # of texts written side by side: each keeps its keys and values in memory


@dataclass(frozen=True)
class Score:
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
) -> list[Score]:
    """The score of each (prompt, completion), in order. The model must be in evaluation mode.

    Raises `ExperimentError` for a text longer than the model has positions.
    """
    encoded = [encode(tokenizer, prompt, completion) for prompt, completion in pairs]
    longest = max((len(one.ids) for one in encoded), default=0)
    check_length(model, longest - 1)
    rows = max(1, min(ROWS, LOGITS // (len(tokenizer) * max(longest, 1))))
    chunks = [encoded[start : start + rows] for start in range(0, len(encoded), rows)]
    return [one for chunk in chunks for one in _scored(model, chunk, pad_id(tokenizer))]


@torch.inference_mode()
def _scored(model: PreTrainedModel, encoded: Sequence[Encoded], pad: int) -> list[Score]:
    inputs = padded([one.ids[:-1] for one in encoded], pad)  # (rows, length)
    mask = padded([[1] * (len(one.ids) - 1) for one in encoded], 0)
    targets = padded([one.ids[1:] for one in encoded], pad).to(model.device)
    logits = model(input_ids=inputs.to(model.device), attention_mask=mask.to(model.device)).logits
    logprobs = logits.float().log_softmax(-1)  # (rows, length, vocabulary)
    right = (logprobs.argmax(-1) == targets).cpu()
    given = logprobs.gather(-1, targets[..., None]).squeeze(-1).cpu()
    scores = []
    for row, one in enumerate(encoded):
        answer = slice(len(one.prompt) - 1, len(one.ids) - 1)
        flags, values = right[row, answer].tolist(), given[row, answer].tolist()
        scores.append(Score(tuple(flags), tuple(values), one.offsets))
    return scores


@torch.inference_mode()
def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
) -> list[str]:
    """The likeliest text after each prompt, token by token, without the end token.

    Prompts of like lengths run together, padded on the left. Raises `ExperimentError` for an empty
    prompt and for more tokens than the model has positions.
    """
    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    texts = [""] * len(rows)
    for batch in _batches([len(row) + max_new_tokens for row in rows]):
        written = _written(model, tokenizer, [rows[number] for number in batch], max_new_tokens)
        for number, text in zip(batch, written, strict=True):
            texts[number] = text
    return texts


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The numbers of texts that run together, longest first: if memory lacks, it lacks at once.

    >>> list(_batches([10, 2**14, 20, 2**14]))
    [[1, 3], [2, 0]]
    """
    left = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while left:
        rows = max(1, min(ROWS, TOKENS // max(1, lengths[left[0]])))
        yield left[:rows]
        left = left[rows:]


def _written(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
) -> list[str]:
    inputs = padded(rows, pad_id(tokenizer), "left")  # (rows, length)
    mask = padded([[1] * len(row) for row in rows], 0, "left")
    check_length(model, inputs.shape[1] + max_new_tokens - 1)
    written = model.generate(
        input_ids=inputs.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=_ends(model, tokenizer),
        pad_token_id=pad_id(tokenizer),
    )
    texts = tokenizer.batch_decode(written[:, inputs.shape[1] :], skip_special_tokens=True)
    return [str(text) for text in texts]


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end a text: some chat models end a turn with another than the tokenizer's."""
    told = getattr(model.generation_config, "eos_token_id", None)
    return sorted({end_id(tokenizer), *(told if isinstance(told, list) else [told])} - {None})


def room(model: PreTrainedModel) -> int | None:
    """How many tokens a text may have; None where there is no end."""
    return positions_of(model.config)


def positions_of(config: PretrainedConfig) -> int | None:
    """How many tokens a text may have in models of such a configuration; None: any number."""
    found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    return None if found is None else int(found)


def check_length(model: PreTrainedModel, tokens: int) -> None:
    """Raise `ExperimentError` if a text of so many tokens has no room in the model."""
    positions = room(model)
    if positions is not None and tokens > positions:
        raise ExperimentError(
            f"a text of {tokens} tokens is longer than the {positions} positions of this model",
            "use shorter texts, or train a model on texts of that length",
        )
