"""Greedy decoding: the likeliest text after a prompt, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from weakref import WeakKeyDictionary

import torch
from loguru import logger
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.models.scoring import check_length, max_positions
from the_experiment.models.texts import end_id, pad_id, padded, prompt_ids

ROWS = 512  # of one batch
TOKENS = 2**15  # of texts written side by side: each keeps its keys and values in memory
LONGER, CHECKED = 3, 3  # tokens that are read and written to compare a batch with its rows
ALONE = Lock()  # who generates: threads of the page share models
BATCHES: WeakKeyDictionary[PreTrainedModel, bool] = WeakKeyDictionary()


@torch.inference_mode()
def greedy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
) -> list[str]:
    """The likeliest text after each prompt, token by token, without the end token.

    Prompts of like lengths run together, padded on the left, if the model can do that. Nothing in
    the model's `generation_config` counts but the tokens that end a text: a penalty for repetition
    or beams would write another text. Raises `ExperimentError` for an empty prompt and for more
    tokens than the model has positions.
    """
    rows = [prompt_ids(tokenizer, prompt) for prompt in prompts]
    texts = [""] * len(rows)
    together = ROWS if len(rows) > 1 and writes_in_batches(model) else 1
    for batch in _batches([len(row) + max_new_tokens for row in rows], together):
        written = _written(model, tokenizer, [rows[number] for number in batch], max_new_tokens)
        for number, text in zip(batch, written, strict=True):
            texts[number] = text
    return texts


def _batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """The numbers of texts that run together, longest first: if memory lacks, it lacks at once.

    >>> list(_batches([10, 2**14, 20, 2**14], most=512))
    [[1, 3], [2, 0]]
    """
    left = sorted(range(len(lengths)), key=lambda number: -lengths[number])
    while left:
        rows = max(1, min(most, TOKENS // max(1, lengths[left[0]])))
        yield left[:rows]
        left = left[rows:]


def _written(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Sequence[int]],
    max_new_tokens: int,
) -> list[str]:
    inputs = padded(rows, pad_id(tokenizer), "left")  # (rows, length)
    check_length(model, inputs.shape[1] + max_new_tokens - 1)
    ends = end_ids(model, tokenizer)
    with _greedily(model):
        written = model.generate(
            input_ids=inputs.to(model.device),
            attention_mask=_mask(rows).to(model.device),
            max_new_tokens=max_new_tokens,
            eos_token_id=ends,
            pad_token_id=pad_id(tokenizer),
        )
    texts = tokenizer.batch_decode(written[:, inputs.shape[1] :], skip_special_tokens=True)
    return [str(text) for text in texts]


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The tokens that end a text: some chat models end a turn with another than the tokenizer's."""
    told = getattr(model.generation_config, "eos_token_id", None)
    return sorted({end_id(tokenizer), *(told if isinstance(told, list) else [told])} - {None})


@contextmanager
def _greedily(model: PreTrainedModel) -> Iterator[None]:
    """Have `generate` take the likeliest token, whatever the model's own configuration says."""
    with ALONE:
        own = model.generation_config
        model.generation_config = GenerationConfig(do_sample=False, use_cache=own.use_cache)
        try:
            yield
        finally:
            model.generation_config = own


def writes_in_batches(model: PreTrainedModel) -> bool:
    """Whether a model writes in a batch what it writes alone, but for rounding.

    RWKV doesn't: it reads what fills up shorter prompts, and mixes up the states of its rows. Tried
    once for each model, on prompts of few tokens: two that are equal, and one of another length.
    """
    if model not in BATCHES:
        BATCHES[model] = _batch_is_its_rows(model)
        if not BATCHES[model]:
            logger.warning(
                f"{type(model).__name__} generates other texts in a batch: prompts run one by one"
            )
    return BATCHES[model]


def _batch_is_its_rows(model: PreTrainedModel) -> bool:
    positions = max_positions(model)
    if positions is not None and positions < LONGER + CHECKED:
        return False  # there is no room to find out
    tokens = model.get_input_embeddings().weight.shape[0]
    longer = [(tokens // 2 + place) % tokens for place in range(LONGER)]
    rows = [longer, longer, longer[1:]]
    noise = 0.02 if model.dtype == torch.float32 else 0.3  # of the logits' spread
    together = _continued(model, rows)
    alone = [_continued(model, [row]) for row in rows]
    return all(
        _agree(one[:, None], other, noise)
        for one, other in zip(together.unbind(1), alone, strict=True)
    )


@torch.inference_mode()
def _continued(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """The logits of the tokens that follow: (tokens, rows, vocabulary)."""
    with _greedily(model):
        found = model.generate(
            input_ids=padded(rows, 0, "left").to(model.device),
            attention_mask=_mask(rows).to(model.device),
            max_new_tokens=CHECKED,
            output_logits=True,
            return_dict_in_generate=True,
            pad_token_id=0,
        )
    return torch.stack(found.logits)


def _mask(rows: Sequence[Sequence[int]]) -> Tensor:
    """(rows, length), 1 where a row that is padded on the left has a token."""
    return padded([[1] * len(row) for row in rows], 0, "left")


def _agree(one: Tensor, other: Tensor, noise: float) -> bool:
    """Whether two ways lead to the same logits (tokens, 1, vocabulary), up to where they part.

    Where two tokens are as likely, rounding decides, and what follows is another text.
    """
    for ours, theirs in zip(one, other, strict=True):
        if (ours - theirs).abs().max() > noise * theirs.std():
            return False
        if not torch.equal(ours.argmax(-1), theirs.argmax(-1)):
            return True
    return True
