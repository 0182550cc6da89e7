"""From a prompt and its completion to tokens, the same way in training and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError

Offsets = tuple[tuple[int, int], ...]  # of each token: first character, one past the last


@dataclass(frozen=True)
class Encoded:
    """One prompt and its completion as token ids; the completion ends with the end token."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    offsets: Offsets  # of the completion's tokens into its text; the end token's is empty

    @property
    def ids(self) -> tuple[int, ...]:
        """The whole text as a model is trained on it."""
        return self.prompt + self.completion


def encode(tokenizer: PreTrainedTokenizerBase, prompt: str, completion: str) -> Encoded:
    """Tokenize prompt and completion each alone, so that a prompt has the same tokens in a test.

    Raises `ExperimentError` for a tokenizer without an end token and for an empty prompt.

    >>> from the_experiment.data.tokenizer import character_tokenizer
    >>> encode(character_tokenizer("01"), "01", "1")
    Encoded(prompt=(3, 4), completion=(4, 1), offsets=((0, 1), (1, 1)))
    """
    first, second = prompt_ids(tokenizer, prompt), _ids(tokenizer, completion)
    end = len(completion)
    return Encoded(
        tuple(first),
        (*second, end_id(tokenizer)),
        (*_offsets(tokenizer, completion, second), (end, end)),
    )


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens of a prompt. Raises `ExperimentError` where there are none."""
    ids = _ids(tokenizer, prompt)
    if not ids:
        raise ExperimentError("the prompt is empty", "write at least one character")
    return ids


def padded(rows: Sequence[Sequence[int]], filler: int, side: str = "right") -> Tensor:
    """(rows, longest row), short rows filled up on that side.

    >>> padded([[1, 2, 3], [4]], 0, "left").tolist()
    [[1, 2, 3], [0, 0, 4]]
    """
    longest = max(map(len, rows))
    filled = torch.full((len(rows), longest), filler)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), None) if side == "left" else slice(len(row))
        filled[number, place] = torch.tensor(row, dtype=torch.long)
    return filled


def end_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The token that ends every text. Raises `ExperimentError` for a tokenizer without one."""
    if not isinstance(tokenizer.eos_token_id, int):
        raise ExperimentError("this tokenizer has no end token", "set its eos_token")
    return tokenizer.eos_token_id


def pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The padding token, or the end token for tokenizers without one (GPT-2's, for instance)."""
    pad = tokenizer.pad_token_id
    return pad if isinstance(pad, int) else end_id(tokenizer)


def unknown_in(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """What of a text a tokenizer has no token for, such as `'a', '#'`; empty where it has all.

    Some tokenizers, GPT-2's for one, have their end token for what is unknown, and nothing is: a
    text may have it, as a text may name the unknown token itself.

    >>> from the_experiment.data.tokenizer import character_tokenizer
    >>> unknown_in(character_tokenizer("x=1"), "y=1"), unknown_in(character_tokenizer("x=1"), "x=1")
    ("'y'", '')
    """
    unknown = tokenizer.unk_token_id
    if unknown is None or unknown not in _ids(tokenizer, text):
        return ""
    plain = text.replace(str(tokenizer.unk_token), "")
    if unknown not in _ids(tokenizer, plain):
        return ""
    lost = [one for one in dict.fromkeys(plain) if unknown in _ids(tokenizer, one)]
    return ", ".join(map(repr, lost)) or repr(plain)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def offsets(tokenizer: PreTrainedTokenizerBase, text: str) -> Offsets:
    """Where each token of a text stands in it."""
    return _offsets(tokenizer, text, _ids(tokenizer, text))


def _offsets(tokenizer: PreTrainedTokenizerBase, text: str, ids: list[int]) -> Offsets:
    if tokenizer.is_fast:
        found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return tuple((int(start), int(end)) for start, end in found["offset_mapping"])
    # Tokenizers in Python keep no offsets: the text grows by what each token adds to it.
    ends = [len(str(tokenizer.decode(ids[: count + 1]))) for count in range(len(ids))]
    return tuple(zip([0, *ends], ends, strict=False))
