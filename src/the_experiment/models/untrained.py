"""A model before its training, as a folder: where trainings with `TrainConfig.base` begin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar as silence_bars

from the_experiment.base.files import replaced_folder
from the_experiment.base.seeds import derived_seed
from the_experiment.models.architectures import REFERENCE, Shape, build, configured


def written_untrained(
    settings: Mapping[str, Any] | None,
    shape: Shape,
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    path: Path,
) -> Path:
    """The folder `path` with this model and its tokenizer, unless it is there already.

    `settings` are those of `configured`; None is a GPT-2 of this shape.
    """
    if not path.is_dir():
        silence_bars()  # of writing one small file
        torch.manual_seed(derived_seed(seed, "parameters"))
        model = configured(settings, shape) if settings else build(REFERENCE, shape)
        with replaced_folder(path) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
    return path
