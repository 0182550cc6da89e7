"""Asking a model questions: how they are put, what it writes, how likely the right answer is."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Literal

from loguru import logger

from the_experiment.base import defaults
from the_experiment.base.defaults import Ablation, ZeroOrMean
from the_experiment.base.errors import ExperimentError
from the_experiment.base.strict import Strict
from the_experiment.base.words import counted
from the_experiment.evaluation.statistics import Rate
from the_experiment.experiments.questions.failures import RIGHT, judged
from the_experiment.worlds.questions.answers import in_words
from the_experiment.worlds.questions.question import Question

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


Style = Literal["plain", "bare", "chat"]

PLAIN = "Q: {}\nA:"
ALL = "all"  # kinds of question together


class Given(Strict):
    """One answer: what was written, what was found in it, and of which kind it is."""

    written: str
    value: bool | int | None
    kind: str  # `right`, or the kind of failure
    why: str
    logprob: float  # of the right answer, natural logarithm
    cut: bool | None = None  # it had no room for more tokens; None: from before that was kept

    @property
    def right(self) -> bool:
        """Whether the value is the right one."""
        return self.kind == RIGHT


class Form(Strict):
    """How a right answer is written where its probability is looked up."""

    before: str
    capital: bool  # of yes and no

    def written(self, question: Question) -> str:
        """The right answer to a question in this form."""
        answer = in_words(question.answer)
        return self.before + (answer.capitalize() if self.capital else answer)


FORMS = [
    Form(before=before, capital=capital)
    for before, capital in product(("", " ", "\n"), (False, True))
]


@dataclass(frozen=True)
class Asker:
    """A model, and how questions are put to it.

    `style` is the question alone (`bare`), after "Q:" and before "A:" (`plain`), or the model's
    chat template around it (`chat`). A model that has too few positions for `max_new_tokens` of
    answer to the longest question writes fewer.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    style: Style
    max_new_tokens: int = defaults.ANSWER_TOKENS
    examples: Sequence[Question] = ()  # solved before each question

    def prompts(self, questions: Sequence[Question]) -> list[str]:
        """What is put to the model, special tokens and all."""
        from the_experiment.models.asking import prompt_text

        chat: Literal["chat", "plain"] = "chat" if self.style == "chat" else "plain"
        solved = [(self._worded(one), in_words(one.answer)) for one in self.examples]
        return [prompt_text(self.tokenizer, self._worded(one), chat, solved) for one in questions]

    def _worded(self, question: Question) -> str:
        return PLAIN.format(question.text) if self.style == "plain" else question.text

    def with_room(self, questions: Sequence[Question]) -> list[Question]:
        """The questions that the model can read with their right answers, in every form of them."""
        from the_experiment.models.scoring import max_positions

        positions = max_positions(self.model)
        if positions is None:
            return list(questions)
        answers = [max(self._tokens(form.written(q)) for form in FORMS) for q in questions]
        prompts = self.prompts(questions)
        return [
            question
            for question, prompt, answer in zip(questions, prompts, answers, strict=True)
            if self._tokens(prompt) + answer - 1 <= positions
        ]

    def answers(self, questions: Sequence[Question], form: Form) -> list[Given]:
        """What the model answers. Raises `ExperimentError` for a question without room."""
        from the_experiment.models.decoding import greedy

        prompts = self.prompts(questions)
        most = self._room(prompts, [form.written(question) for question in questions])
        texts = greedy(self.model, self.tokenizer, prompts, most)
        cut = [self._tokens(text) >= most for text in texts]
        found = map(judged, questions, texts, cut)
        return [
            Given(
                written=text,
                value=one.value,
                kind=one.kind,
                why=one.why,
                logprob=logprob,
                cut=cut_off,
            )
            for text, one, logprob, cut_off in zip(
                texts, found, self.logprobs(questions, form), cut, strict=True
            )
        ]

    def logprobs(self, questions: Sequence[Question], form: Form) -> list[float]:
        """The log-probability of each right answer, whatever would be written after it."""
        (found,) = self._logprobs(questions, [form])
        return found

    def _logprobs(
        self, questions: Sequence[Question], forms: Sequence[Form]
    ) -> Iterator[list[float]]:
        """Those of each form; every prompt is read once."""
        from the_experiment.models.scoring import score

        prompts = self.prompts(questions)
        pairs = [
            (prompt, form.written(question))
            for form in forms
            for prompt, question in zip(prompts, questions, strict=True)
        ]
        scores = iter(score(self.model, self.tokenizer, pairs))
        for _ in forms:
            # The last is the end token's.
            yield [sum(one.logprobs[:-1]) for one in islice(scores, len(prompts))]

    def likeliest_form(self, questions: Sequence[Question]) -> Form:
        """The form in which right answers are likeliest, over all these questions.

        Raises `ExperimentError` where the tokenizer knows the characters of none, and for a
        question without room.
        """
        self._room(self.prompts(questions), [FORMS[0].written(one) for one in questions])
        known = [form for form in FORMS if not self._unknown(form.written(q) for q in questions)]
        if not known:
            raise ExperimentError(
                "this model's tokenizer does not know the characters of the right answers",
                "ask a model that was trained on such answers",
            )
        lost = self._unknown(self.prompts(questions))
        if lost:
            logger.warning(
                "{} with characters that this model doesn't know", counted(lost, "question")
            )
        totals = dict(zip(known, map(sum, self._logprobs(questions, known)), strict=True))
        return max(known, key=totals.__getitem__)

    def _unknown(self, texts: Iterable[str]) -> int:
        """How many of these texts have something that the tokenizer doesn't know."""
        from the_experiment.models.texts import unknown_in

        return sum(bool(unknown_in(self.tokenizer, text)) for text in texts)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _tokens(self, text: str) -> int:
        return len(self._ids(text))

    def _room(self, prompts: Sequence[str], answers: Sequence[str]) -> int:
        """How many tokens an answer may have. Raises `ExperimentError` where too few are left."""
        from the_experiment.models.scoring import max_positions

        positions = max_positions(self.model)
        if positions is None:
            return self.max_new_tokens
        left = {prompt: positions + 1 - self._tokens(prompt) for prompt in prompts}
        for (prompt, most), answer in zip(left.items(), answers, strict=True):
            if most < self._tokens(answer):
                raise ExperimentError(
                    f"{prompt!r} and its answer exceed the context length, {positions}",
                    "leave it out, or use a model with a longer context",
                )
        return min(self.max_new_tokens, *left.values())


def by_kind(questions: Sequence[Question]) -> dict[str, list[int]]:
    """The numbers of the questions of each kind, after those of all; one kind is all there is."""
    kinds = dict.fromkeys(question.kind for question in questions)
    found = {ALL: list(range(len(questions)))}
    if len(kinds) > 1:
        for kind in kinds:
            found[kind] = [n for n, question in enumerate(questions) if question.kind == kind]
    return found


def accuracies(questions: Sequence[Question], given: Sequence[Given]) -> dict[str, Rate]:
    """How many answers are right, by kind of question."""
    return {
        kind: Rate(sum(given[number].right for number in numbers), len(numbers))
        for kind, numbers in by_kind(questions).items()
    }


def cut_off(questions: Sequence[Question], given: Sequence[Given]) -> dict[str, int | None]:
    """How many answers had no room for more tokens, by kind of question; None where not known."""
    found: dict[str, int | None] = {}
    for kind, numbers in by_kind(questions).items():
        cut = [given[number].cut for number in numbers]
        found[kind] = None if None in cut else sum(map(bool, cut))
    return found


def majority_baseline(questions: Sequence[Question]) -> dict[str, Rate]:
    """The baseline: how many are right for whoever always gives the commonest answer of a kind."""
    counts: dict[str, Counter[str]] = {}
    for question in questions:
        counts.setdefault(question.kind, Counter())[in_words(question.answer)] += 1
    best = {kind: answers.most_common(1)[0][1] for kind, answers in counts.items()}
    return {
        kind: Rate(sum(best.values()) if kind == ALL else best[kind], len(numbers))
        for kind, numbers in by_kind(questions).items()
    }


Answers = dict[str, list[Given]]  # by piece: an answer for each question

WHOLE = "nothing"  # what is taken out of the model as it is
# A cell's results: answers in words without a piece, or how likely right ones are in a layer.
Which = tuple[str, Any]
IN_WORDS, LOGPROBS = "answers", "log-probabilities"


class QuestionsRequest(Strict):
    """All that the answers depend on."""

    model: str
    weights: str  # a fingerprint of the model's files, its tokenizer and template among them
    dtype: str
    questions: tuple[Question, ...]
    left_out: tuple[str, ...] = ()  # questions that the model has no room for
    examples: tuple[Question, ...] = ()  # solved before each of them
    style: Style
    max_new_tokens: int
    mode: Ablation
    seed: int
    version: str

    @property
    def replacements(self) -> tuple[ZeroOrMean, ...]:
        """What ablated values are replaced by; answers in words are asked with the first."""
        return ("zero", "mean") if self.mode == "both" else (self.mode,)

    @property
    def fingerprint(self) -> str:
        """A hash of all of it but our version."""
        return hashlib.sha256(self.model_dump_json(exclude={"version"}).encode()).hexdigest()


Logprobs = dict[str, dict[str, list[float]]]  # by replacement, by piece: of each right answer


def kinds_of_piece(pieces: Sequence[str]) -> dict[str, list[str]]:
    """Pieces by kind: those of `head:0.1` are `head`."""
    found: dict[str, list[str]] = {}
    for piece in pieces:
        found.setdefault(piece.partition(":")[0], []).append(piece)
    return found
