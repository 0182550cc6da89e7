"""The default base: a small model that reads about causal graphs here, before it is tuned.

LoRA on a model that knows nothing learns nothing: what it adds is small beside weights at random.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path

from the_experiment.base.files import replaced_folder
from the_experiment.base.runs import Run
from the_experiment.data.plain_texts import packed, plain_texts
from the_experiment.data.tokenizer import subword_tokenizer
from the_experiment.experiments.traces.config import BaseScale
from the_experiment.worlds.causal.drawing import draw_puzzles
from the_experiment.worlds.causal.puzzle import Puzzle

ROWS, UNTRAINED = "train.jsonl", "untrained"
ROOM = 1_024  # positions: of a question, its trace and its answer


def pretrained_base(
    scale: BaseScale,
    kinds: Collection[str],
    sizes: Collection[int],
    without: Collection[str],
    run: Run,
    texts: Path,
) -> Run:
    """Train the base into `run`, or go on with it, on plain texts that are written to `texts`.

    They are of puzzles of these kinds (none: all) and sizes in every naming, and of no shape in
    `without`.
    """
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.loop import train
    from the_experiment.training.progress import training_bar

    seed = TrainConfig().seed
    if not (texts / UNTRAINED).is_dir():
        puzzles = draw_puzzles(
            scale.puzzles, seed + 1, sorted(kinds), sorted(sizes), without=without
        )
        _write_texts(scale, puzzles, seed, texts)
    config = TrainConfig(
        dataset=str(texts),
        base=str(texts / UNTRAINED),
        seed=seed,
        **scale.model_dump(include={"epochs", "batch_size", "learning_rate"}),
    )
    with training_bar(run.name) as progress:
        train(config, run, resume=True, progress=progress)
    return run


def _write_texts(scale: BaseScale, puzzles: Sequence[Puzzle], seed: int, texts: Path) -> None:
    """Rows of plain texts, and a model that has read none, with a tokenizer of their pieces."""
    from the_experiment.models.architectures import Shape
    from the_experiment.models.untrained import written_untrained

    rows = list(packed(plain_texts(puzzles, seed), scale.row))
    tokenizer = subword_tokenizer(rows, scale.vocabulary)
    shape = Shape(len(tokenizer), ROOM, pad=tokenizer.pad_token_id, eos=tokenizer.eos_token_id)
    with replaced_folder(texts) as folder:
        written_untrained(scale.architecture, shape, tokenizer, seed, folder / UNTRAINED)
        with (folder / ROWS).open("w", encoding="utf-8") as file:
            for row in rows:
                prompt, line_break, rest = row.partition("\n")
                pair = {"prompt": prompt + line_break, "completion": rest}
                file.write(json.dumps(pair, ensure_ascii=False) + "\n")
