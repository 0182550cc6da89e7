"""Fine-tuning each arm of prepared rows, from any base or a small one that is trained first."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_json, read_jsonl, replaced_folder
from the_experiment.base.runs import Run, check_name
from the_experiment.data.plain_texts import packed, plain_texts
from the_experiment.data.tokenizer import subword_tokenizer
from the_experiment.data.trace_folder import MANIFEST, source_of
from the_experiment.data.trace_rows import questions_in
from the_experiment.data.traces import TEST
from the_experiment.experiments.traces.config import QUICK, BaseScale
from the_experiment.training.config import PRESETS, TuneConfig
from the_experiment.training.progress import training_bar
from the_experiment.training.tuning import tune
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
    from the_experiment.models.loading import write_untrained

    rows = list(packed(plain_texts(puzzles, seed), scale.row))
    tokenizer = subword_tokenizer(rows, scale.vocabulary)
    shape = Shape(len(tokenizer), ROOM, pad=tokenizer.pad_token_id, eos=tokenizer.eos_token_id)
    with replaced_folder(texts) as folder:
        write_untrained(scale.architecture, shape, tokenizer, seed, folder / UNTRAINED)
        with (folder / ROWS).open("w", encoding="utf-8") as file:
            for row in rows:
                prompt, line_break, rest = row.partition("\n")
                pair = {"prompt": prompt + line_break, "completion": rest}
                file.write(json.dumps(pair, ensure_ascii=False) + "\n")


HINT = "give one with --base"


@dataclass(frozen=True)
class TuneRequest:
    """What is tuned: `settings` go over those of the preset. Without a base, one is trained."""

    rows: str  # a name in `out/traces`, or a folder
    arms: Sequence[str]
    base: str
    name: str
    preset: str
    settings: Mapping[str, Any]
    resume: bool
    out: Path


def tune_arms(request: TuneRequest) -> Iterator[Run]:
    """The run of each arm, `NAME-ARM`, as it is there.

    Raises `ExperimentError` where there are no such rows, and what `tune` raises.
    """
    folder = source_of(request.rows, request.out)
    name = request.name or folder.name
    runs = {arm: Run(request.out / f"{name}-{arm}") for arm in request.arms}
    for run in runs.values():
        check_name(run.name)
    for arm in runs:
        if not (folder / arm / "train.jsonl").is_file():
            raise ExperimentError(
                f"{folder} has no rows of {arm}", "run `the-experiment traces prepare`"
            )
    base = request.base or str(
        _default_base(folder, request.arms[0], Run(request.out / f"{name}-base")).folder
    )
    for arm, run in runs.items():
        valid = folder / arm / "valid.jsonl"
        config = TuneConfig.checked(
            base=base,
            rows=str(folder / arm / "train.jsonl"),
            valid=str(valid) if valid.is_file() and valid.stat().st_size else None,
            **{**PRESETS[request.preset], **request.settings},
        )
        with training_bar(run.name) as progress:
            yield tune(config, run, request.resume, progress)


def _default_base(folder: Path, arm: str, run: Run) -> Run:
    """A small base for these rows, which reads nothing of the shapes that are held out.

    Those are the shapes of the rows' test side, and of the sets that they were prepared against.

    Raises `ExperimentError` where rows are not of puzzles that are drawn, or there are too few.
    """
    learnt = list(read_jsonl(folder / arm / "train.jsonl"))
    if not all({"kind", "size"} <= {*row} for row in learnt):
        raise ExperimentError(
            f"no base can be trained for {folder}: not all its rows are of drawn puzzles", HINT
        )
    kinds, sizes = {row["kind"] for row in learnt}, {row["size"] for row in learnt}
    manifest = read_json(folder / MANIFEST, "run `the-experiment traces prepare` again")
    sets = [folder / TEST] if (folder / TEST).is_file() else []
    sets += [Path(path) for path in manifest["against"]]
    held_out = {shape for asked in sets for _, shapes in questions_in(asked) for shape in shapes}
    try:
        return pretrained_base(QUICK.base, kinds, sizes, held_out, run, folder / "plain")
    except UsageError as error:
        raise ExperimentError(f"no base can be trained for {folder}: {error.what}", HINT) from None


def tuned_summary(run: Run) -> str:
    """One line on a tuning."""
    record = run.record()
    valid = record["valid_loss"]
    return (
        f"[bold]{run.name}[/]: {record['trained_parameters']:,} of {record['parameters']:,} "
        f"parameters trained ({record['trained_share']:.1%}), {record['steps']:,} steps in "
        f"{record['seconds']:.0f} s, loss {record['loss']:.4f}"
        + (f", valid {valid:.4f}" if valid is not None else "")
        + f"; saved in {run.final}/"
    )
