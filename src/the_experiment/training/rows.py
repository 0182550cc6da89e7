"""The rows of a data set as tensors, made once. Each distinct text is encoded and kept once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from the_experiment.base.errors import ExperimentError
from the_experiment.base.seeds import Stream
from the_experiment.models.texts import encode_all, end_id, padded, unknown_in

IGNORED = -100  # no loss on these labels, as everywhere in transformers


@dataclass(frozen=True)
class Rows:
    """Distinct texts, and which of them each row is."""

    inputs: Tensor  # (distinct, longest), without each text's last token, which nothing follows
    labels: Tensor  # (distinct, longest), the token that follows each input
    answers: Tensor  # (distinct, longest), the same but ignored before the completion
    lengths: Tensor  # (distinct,), on the CPU
    rows: Tensor  # (rows,), on the CPU: the distinct text of each row

    def to(self, device: torch.device) -> Rows:
        """The texts on `device`; what the order is decided with stays on the CPU."""
        inputs, labels, answers = (
            tensor.to(device) for tensor in (self.inputs, self.labels, self.answers)
        )
        return Rows(inputs, labels, answers, self.lengths, self.rows)

    @property
    def fingerprint(self) -> str:
        """A SHA-256 of all tokens in their order: equal when a training on them is the same."""
        tensors = (self.inputs, self.labels, self.answers, self.rows)
        parts = [tensor.cpu().numpy().tobytes() for tensor in tensors]
        return hashlib.sha256(b"".join(parts)).hexdigest()


def encode_rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]]) -> Rows:
    """Tensors of the (prompt, completion) pairs, in their order.

    Raises `ExperimentError` for a text with something that the tokenizer doesn't know.
    """
    numbers: dict[tuple[str, str], int] = {}
    rows = [numbers.setdefault(pair, len(numbers)) for pair in pairs]
    encoded = encode_all(tokenizer, list(numbers))
    for prompt, completion in numbers:
        lost = unknown_in(tokenizer, prompt + completion)
        if lost:
            raise ExperimentError(
                f"the tokenizer does not know {lost} in {prompt + completion!r}",
                "leave that row out, or take a tokenizer or base that knows them",
            )
    ignored = [[IGNORED] * (len(one.prompt) - 1) for one in encoded]
    # Nothing looks at what fills a shorter text up. It is not the padding token, at the sight of
    # which transformers warns that there is no attention mask.
    return Rows(
        inputs=padded([one.ids[:-1] for one in encoded], end_id(tokenizer)),
        labels=padded([one.ids[1:] for one in encoded], IGNORED),
        answers=padded(
            [[*skip, *one.completion] for skip, one in zip(ignored, encoded, strict=True)], IGNORED
        ),
        lengths=torch.tensor([len(one.ids) - 1 for one in encoded]),
        rows=torch.tensor(rows),
    )


class Batches:
    """Which texts each step sees: a pure function of seed and step, so that resuming is easy."""

    def __init__(self, data: Rows, batch_size: int, seed: int) -> None:
        self._data = data
        self._size = batch_size
        self._seed = seed
        self.per_epoch = -(-len(data.rows) // batch_size)
        self._ready = lru_cache(maxsize=1)(self._on_device)

    def texts(self, step: int) -> tuple[Tensor, int]:
        """The distinct texts (batch,) of step 0, 1, …, on the data's device, and their length.

        An epoch's last batch may be smaller. Within an epoch nothing waits for the device.
        """
        epoch, batch = divmod(step, self.per_epoch)
        texts, lengths = self._ready(epoch)
        left = len(self._data.rows) - batch * self._size
        return texts[batch, : min(self._size, left)], lengths[batch]

    def epoch(self, number: int) -> Tensor:
        """The texts of every batch of an epoch, (steps, batch); -1 where the last one has none."""
        order = Stream(self._seed, "order", number).shuffled(len(self._data.rows))
        texts = self._data.rows[torch.from_numpy(order)]
        missing = self.per_epoch * self._size - len(texts)
        return functional.pad(texts, (0, missing), value=-1).view(self.per_epoch, self._size)

    def _on_device(self, epoch: int) -> tuple[Tensor, list[int]]:
        texts = self.epoch(epoch)
        lengths = self._data.lengths[texts].masked_fill(texts < 0, 0).amax(1)
        return texts.to(self._data.inputs.device), lengths.tolist()
