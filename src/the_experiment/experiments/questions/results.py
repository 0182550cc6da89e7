"""What came out of a run of questions, as one value that goes to a file and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from the_experiment.base.errors import ExperimentError
from the_experiment.base.files import read_json
from the_experiment.base.strict import first_problem
from the_experiment.base.words import counted
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.experiment import QUICK
from the_experiment.experiments.questions.asking import (
    ALL,
    IN_WORDS,
    LOGPROBS,
    WHOLE,
    Answers,
    Form,
    Given,
    Logprobs,
    QuestionsRequest,
    accuracies,
    by_kind,
    cut_off,
    majority_baseline,
)
from the_experiment.experiments.questions.failures import FAILURES, by_chance
from the_experiment.experiments.questions.importance import Importance, importance, sentences
from the_experiment.worlds.questions.question import Question

ANSWERS = "answers.json"


class Results(BaseModel):
    """All answers to all questions: of the model as it is, and without each piece of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    request: QuestionsRequest
    form: Form
    whole: list[Given]
    without: Answers  # of the pieces that were asked in words again
    logprobs: Logprobs = {}  # empty of a run without ablations, and of earlier ones

    @property
    def pieces(self) -> list[str]:
        """What was ablated."""
        likely = (piece for of in self.logprobs.values() for piece in of)
        return list(dict.fromkeys([*likely, *self.without]))

    @property
    def questions(self) -> list[Question]:
        """What was asked."""
        return list(self.request.questions)

    @cached_property
    def accuracy(self) -> dict[str, tuple[Rate, Rate]]:
        """By kind of question: how many are right, and for whoever gives the commonest answer."""
        baseline = majority_baseline(self.questions)
        right = accuracies(self.questions, self.whole)
        return {kind: (rate, baseline[kind]) for kind, rate in right.items()}

    @cached_property
    def cut_off(self) -> dict[str, int | None]:
        """By kind of question: how many answers had no room for more tokens."""
        return cut_off(self.questions, self.whole)

    @cached_property
    def failures(self) -> dict[str, Rate]:
        """Of all wrong answers, how many are of each kind."""
        wrong = [one.kind for one in self.whole if not one.right]
        return {kind: Rate(wrong.count(kind), len(wrong)) for kind in FAILURES}

    @cached_property
    def chance(self) -> dict[str, float]:
        """The share of each kind among wrong answers that know nothing of the question."""
        return by_chance(self.questions)

    @cached_property
    def importance(self) -> Importance:
        """What every piece is worth."""
        return importance(
            self.questions, self.whole, self.without, self.logprobs, self.request.seed
        )

    def answer_kinds(self, kind: str = ALL) -> list[str]:
        """What became of each question of a kind: right, or how it failed."""
        return [self.whole[number].kind for number in by_kind(self.questions)[kind]]

    def sentences(self) -> list[str]:
        """Whether answers had room; what the ablations say, and where they can't say much."""
        cut = self.cut_off[ALL]
        room = (
            [
                f"{counted(cut, 'answer')} of {len(self.whole)} "
                f"{'was' if cut == 1 else 'were'} cut off at {self.request.max_new_tokens} tokens: "
                "give them room with --max-new-tokens"
            ]
            if cut
            else []
        )
        if not self.pieces:
            return room
        weak = [
            f"{kind}: {right} right is not above {baseline.k}/{baseline.n} for the commonest "
            "answer, so its drop in accuracy says little"
            for kind, (right, baseline) in self.accuracy.items()
            if right.k and right.low <= baseline.share
        ]
        return [*room, *weak, *sentences(self.importance)]

    def summary(self) -> dict[str, Any]:
        """The figures without the answers, as plain values."""
        about = self.request.model_dump(mode="json", exclude={"questions"})
        return {
            **about,
            "right answers are written": self.form.before + "ANSWER",
            "accuracy": {
                kind: {"right": right.as_json(), "commonest answer": baseline.as_json()}
                for kind, (right, baseline) in self.accuracy.items()
            },
            "cut off": self.cut_off,
            "failures": {kind: rate.as_json() for kind, rate in self.failures.items()},
            "failures by chance": self.chance,
            "ablations": self.importance.as_json() if self.pieces else {},
            "sentences": self.sentences(),
        }

    @classmethod
    def of(cls, request: QuestionsRequest, found: Mapping[tuple[str, Any], Any]) -> Results:
        """From the results of the cells, by what they are."""
        whole = found[IN_WORDS, WHOLE]
        in_words = {piece: of["given"] for (kind, piece), of in found.items() if kind == IN_WORDS}
        likely = [result for (kind, _), result in found.items() if kind == LOGPROBS]
        return cls(
            request=request,
            form=whole["form"],
            whole=whole["given"],
            without={piece: given for piece, given in in_words.items() if piece != WHOLE},
            logprobs={
                replacement: {piece: of for one in likely for piece, of in one[replacement].items()}
                for replacement in (request.replacements if likely else ())
            },
        )


def read_results(folder: Path) -> Results:
    """The results in a folder. Raises `ExperimentError` where there are none, or not whole."""
    hint = "run `the-experiment questions run`, or the same call again to go on with it"
    if not folder.is_dir():
        raise ExperimentError(f"there is no folder {folder}", hint)
    quick = folder / QUICK / ANSWERS
    place = quick if quick.is_file() and not (folder / ANSWERS).is_file() else folder / ANSWERS
    try:
        return Results.model_validate(read_json(place, hint))
    except ValidationError as error:
        problem = first_problem(error)
        raise ExperimentError(f"{place} holds no answers to questions: {problem}", hint) from None
