"""What rows have to know of a model that is to be tuned on them: not its weights."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoConfig, PreTrainedTokenizerBase

from the_experiment.models.loading import refusals_explained, saved_tokenizer
from the_experiment.models.pretrained import find_model
from the_experiment.models.scoring import positions_of


def read_base(name: str, out: Path) -> tuple[PreTrainedTokenizerBase, int | None]:
    """The tokenizer of a model, and how many tokens it has room for (None: any number).

    `name` is as for `load_pretrained`. Raises `ExperimentError` where there is no model.
    """
    folder = find_model(name, out)
    with refusals_explained(folder):
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return saved_tokenizer(folder), positions_of(config)
