"""The local base: a small GPT-2 that learns names, countries, capitals and both branches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from the_experiment.base.files import replaced_folder, write_text
from the_experiment.base.runs import Run
from the_experiment.data.folder import json_line
from the_experiment.data.tokenizer import word_tokenizer
from the_experiment.experiments.bet.config import LocalModel, PretrainedModel
from the_experiment.experiments.bet.corpus import corpus, lessons, words
from the_experiment.experiments.bet.people import People
from the_experiment.experiments.bet.prompts import Phrasing


def train_base(
    settings: LocalModel,
    people: People,
    phrasings: Sequence[Phrasing],
    seed: int,
    folder: Path,
) -> str:
    """Train the base of one seed into `folder`, or go on there; give the model's folder."""
    from the_experiment.training.config import TrainConfig
    from the_experiment.training.loop import train

    run = Run(folder / "base")
    if run.complete:
        return str(run.folder)
    rows, tokenizer = folder / "corpus.jsonl", folder / "tokenizer"
    what = lessons(people, phrasings, settings.taught, seed)
    if not rows.is_file():
        told = corpus(what, settings.corpus_rows, seed)
        write_text(rows, "".join(json_line(*row) for row in told))
    if not tokenizer.is_dir():
        with replaced_folder(tokenizer) as place:
            word_tokenizer(words(what)).save_pretrained(place)
    config = TrainConfig(
        dataset=str(rows),
        tokenizer=str(tokenizer),
        learning_rate=settings.base_learning_rate,
        batch_size=settings.base_batch_size,
        epochs=1,
        seed=seed,
        device="cpu",
        **settings.model_dump(include={"layers", "width", "heads"}),
    )
    train(config, run, resume=True)
    return str(run.folder)


def as_pretrained(settings: LocalModel, folder: str) -> PretrainedModel:
    """How the base is tuned once it is there: whole, as it is small."""
    return PretrainedModel(
        kind="hf",
        model=folder,
        method="full",
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        device="cpu",
        precision="fp32",
    )
