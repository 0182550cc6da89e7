"""The default base: a small GPT-2 that reads about causal graphs here, before it is tuned.

LoRA on a model that knows nothing learns nothing: what it adds is small beside weights at random.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from the_experiment.base.files import replaced_folder
from the_experiment.base.runs import Run
from the_experiment.data.plain_texts import packed, plain_texts
from the_experiment.data.tokenizer import subword_tokenizer
from the_experiment.experiments.traces.scale import BaseScale
from the_experiment.worlds.causal.drawing import draw_puzzles

ROWS, TOKENIZER = "train.jsonl", "tokenizer"


def pretrained_base(
    scale: BaseScale, sizes: Collection[int], without: Collection[str], run: Run, texts: Path
) -> Run:
    """Train the base into `run`, or go on with it, on plain texts that are written to `texts`.

    The texts have puzzles of these sizes in every naming, and of no graph in `without`.
    """
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.loop import train
    from the_experiment.training.progress import training_bar

    seed = TrainConfig().seed
    if not texts.is_dir():
        _write_texts(scale, sizes, without, seed, texts)
    config = TrainConfig(
        dataset=str(texts),
        tokenizer=str(texts / TOKENIZER),
        seed=seed,
        **scale.model_dump(exclude={"puzzles", "vocabulary", "row"}),
    )
    with training_bar(run.name) as progress:
        train(config, run, resume=True, progress=progress)
    return run


def _write_texts(
    scale: BaseScale, sizes: Collection[int], without: Collection[str], seed: int, texts: Path
) -> None:
    """Rows of plain texts, and a tokenizer of the pieces of their words."""
    puzzles = draw_puzzles(scale.puzzles, seed + 1, sizes=sorted(sizes), without=without)
    rows = list(packed(plain_texts(puzzles, seed), scale.row))
    with replaced_folder(texts) as folder:
        subword_tokenizer(rows, scale.vocabulary).save_pretrained(folder / TOKENIZER)
        with (folder / ROWS).open("w", encoding="utf-8") as file:
            for row in rows:
                prompt, line_break, rest = row.partition("\n")
                pair = {"prompt": prompt + line_break, "completion": rest}
                file.write(json.dumps(pair, ensure_ascii=False) + "\n")
