"""From a prompt and its completion to tokens, the same way in training and in tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError

AT_ONCE = 1024  # texts: tokenizers keep kilobytes of each
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
    return encode_all(tokenizer, [(prompt, completion)])[0]


def encode_all(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]]
) -> list[Encoded]:
    """`encode` of each (prompt, completion)."""
    first = _tokenized(tokenizer, [prompt for prompt, _ in pairs])
    second = _tokenized(tokenizer, [completion for _, completion in pairs])
    end = end_id(tokenizer)
    encoded = []
    for (prompt, _), (ids, places), (_, text) in zip(first, second, pairs, strict=True):
        closing = (len(text), len(text))
        encoded.append(Encoded(tuple(_some(prompt)), (*ids, end), (*places, closing)))
    return encoded


def prompt_ids(tokenizer: PreTrainedTokenizerBase, prompt: str) -> list[int]:
    """The tokens of a prompt. Raises `ExperimentError` where there are none."""
    return _some(_ids(tokenizer, prompt))


def _some(ids: list[int]) -> list[int]:
    if not ids:
        raise ExperimentError("the prompt is empty", "write at least one character")
    return ids


def padded(rows: Sequence[Sequence[int]], filler: int, side: str = "right") -> Tensor:
    """(rows, longest row), short rows filled up on that side.

    >>> padded([[1, 2, 3], [4]], 0, "left").tolist()
    [[1, 2, 3], [0, 0, 4]]
    """
    longest = max(map(len, rows))
    fillers = [[filler] * (longest - len(row)) for row in rows]
    pairs = zip(fillers, rows, strict=True) if side == "left" else zip(rows, fillers, strict=True)
    return torch.tensor([[*first, *second] for first, second in pairs], dtype=torch.long)


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
    return _tokenized(tokenizer, [text])[0][1]


def _tokenized(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]
) -> list[tuple[list[int], Offsets]]:
    """The tokens of each text, and where they stand in it."""
    if not tokenizer.is_fast:
        return [_spelled(tokenizer, _ids(tokenizer, text)) for text in texts]
    tokenized: list[tuple[list[int], Offsets]] = []
    for start in range(0, len(texts), AT_ONCE):
        chunk = list(texts[start : start + AT_ONCE])
        found = tokenizer(chunk, add_special_tokens=False, return_offsets_mapping=True)
        places = [tuple((int(a), int(b)) for a, b in each) for each in found["offset_mapping"]]
        tokenized += zip(found["input_ids"], places, strict=True)
    return tokenized


def _spelled(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> tuple[list[int], Offsets]:
    """Tokenizers in Python keep no offsets: the text grows by what each token adds to it."""
    ends = [len(str(tokenizer.decode(ids[: count + 1]))) for count in range(len(ids))]
    return ids, tuple(zip([0, *ends], ends, strict=False))
