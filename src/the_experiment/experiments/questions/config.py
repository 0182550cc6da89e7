"""Questions put to a model as it is, and without each head, layer, attention and MLP of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field
from typing_extensions import Self

from the_experiment.base import defaults
from the_experiment.base.defaults import Ablation, Device, Dtype, Piece, Style
from the_experiment.base.errors import ExperimentError
from the_experiment.base.names import name_from
from the_experiment.base.runs import QUESTIONS
from the_experiment.engine.cell import Cell
from the_experiment.engine.outcome import Outcome
from the_experiment.experiments.experiment import KINDS, Experiment, WrongKeyError
from the_experiment.worlds.questions.reading import read_sets

if TYPE_CHECKING:
    from the_experiment.experiments.questions.cells import Pieces


@KINDS.register("questions")
class QuestionsExperiment(Experiment):
    """Sets of questions, and the pieces of a model that answers take."""

    parent: ClassVar[str] = QUESTIONS

    kind: Literal["questions"] = "questions"
    question: str = "What does the model answer, and which of its components does that need?"
    model: str
    questions: list[str] = Field(min_length=1)
    limit: int = Field(0, ge=0)
    mode: Ablation = "both"
    each: list[Piece] = Field([])  # empty: all
    layers: list[Annotated[int, Field(ge=0)]] = Field([])  # empty: all
    top: int | None = Field(None, ge=0)  # pieces that are asked in words again; None: all, or few
    style: Style = "auto"
    max_new_tokens: int | None = Field(None, ge=1)  # None: as the style needs
    shots: int = Field(0, ge=0)  # questions that are solved before each, and not asked
    seed: int = Field(defaults.SEED, ge=0)
    dtype: Dtype = "float32"  # in bfloat16 rounding is as large as what most heads do
    device: Device = "auto"

    @property
    def jobs(self) -> int:
        """One at a time, so that the model is loaded once."""
        return 1

    def with_files(self, found: Callable[[str], str]) -> Self:
        """The same with each set's file as `found` gives it."""
        return self.model_copy(update={"questions": [found(one) for one in self.questions]})

    def check(self) -> None:
        """Raise `WrongKeyError` for a set that there is not."""
        try:
            read_sets(self.questions, self.limit, self.seed)
        except ExperimentError as error:
            raise WrongKeyError(f"questions: {error.what}", error.hint) from None

    def summary(self) -> Mapping[str, str]:
        """Who is asked what, and what is taken out."""
        return {
            "model": self.model,
            "questions": f"{', '.join(self.questions)}; {self.limit or 'all'} of each",
            "ablations": f"each {' and '.join(self.each) or 'component'}, "
            f"{'zero and mean' if self.mode == 'both' else self.mode} ablation",
        }

    def pieces(self, out: Path) -> tuple[Pieces, dict[str, Any]]:
        """The model, ready to be asked, and where it is."""
        from the_experiment.experiments.questions.cells import load_pieces

        return load_pieces(
            self.model,
            read_sets(self.questions, self.limit, self.seed),
            out=out,
            **self.model_dump(
                include={"style", "max_new_tokens", "mode", "seed", "device", "dtype"}
                | {"each", "layers", "shots"}
            ),
        )

    def cells(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """The model as it is; and without each piece, unless it is to be quick."""
        from the_experiment.experiments.questions.cells import cells_of

        pieces, place = self.pieces(out)
        cells = cells_of(pieces, place, lite=quick)
        return {(pieces.request, *which): cell for which, cell in cells.items()}

    def first(self, out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """The model as it is, and how likely right answers are without each piece."""
        cells = self.cells(out, quick=quick)
        return {which: cell for which, cell in cells.items() if _is_first(which)}

    def rest(self, results: Mapping[Any, Any], out: Path, *, quick: bool) -> Mapping[Any, Cell]:
        """Of the pieces those without which right answers are least likely."""
        from the_experiment.experiments.questions.cells import most_important

        found = {(kind, which): result for (_, kind, which), result in results.items()}
        asked = most_important(found, self.top)
        cells = self.cells(out, quick=quick)
        return {
            which: cell for which, cell in cells.items() if _is_first(which) or which[2] in asked
        }

    def outcome(self, results: Mapping[Any, Any], *, quick: bool) -> Outcome:  # noqa: ARG002
        """Accuracy, failures, and what each piece is worth."""
        from the_experiment.experiments.questions.analysis import outcome_of
        from the_experiment.experiments.questions.results import Results

        request = next(request for request, *_ in results)
        found = {(kind, which): result for (_, kind, which), result in results.items()}
        return outcome_of(Results.of(request, found))


def _is_first(which: tuple[Any, str, Any]) -> bool:
    from the_experiment.experiments.questions.asking import IN_WORDS, WHOLE

    _, kind, piece = which
    return kind != IN_WORDS or piece == WHOLE


def default_name(experiment: QuestionsExperiment) -> str:
    """A readable name, with a fingerprint of all that is asked."""
    sets = "-".join(Path(one).stem for one in experiment.questions)
    words = name_from(f"{Path(experiment.model).name}-{sets}"[:50], otherwise="questions")
    asked = experiment.model_dump_json(exclude={"name"})
    return f"{words}-{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
