"""Programs beside their counterfactuals, as texts that a model reads and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from transformers import PreTrainedTokenizerBase

from the_experiment.base.defaults import Chat
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.words import counted
from the_experiment.inside.grading import graded
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.patching import Pair
from the_experiment.inside.sweep import Trial
from the_experiment.inside.texts import TokenizedExample, text_of
from the_experiment.models.asking import prompt_text
from the_experiment.models.scoring import check_length
from the_experiment.models.texts import unknown_in
from the_experiment.worlds.generators import Generator
from the_experiment.worlds.programs.binding import make_variable_binding_program
from the_experiment.worlds.programs.chain import ProgramPair, drawn_pair, spans_of
from the_experiment.worlds.programs.prompts import CODE, fill_prompt
from the_experiment.worlds.template import Span

Verdict = Literal["right", "wrong", "unlike"]  # both ways; not of one shape

ANSWER, LAST = "answer", "last"  # roles: what the model writes, and the last token of a prompt
LEADS = ("", " ")  # what a model may write before its answer
BATCH = 16  # pairs that are drawn, and tried on the model, at a time
TRIED = 20  # for each wanted, at most


@dataclass(frozen=True)
class PromptFormat:
    """How programs are put to a model, and how it writes its answers."""

    tokenizer: PreTrainedTokenizerBase
    template: str = CODE
    chat: Chat = "auto"
    lead: str = ""

    def text(self, program: str, answer: int) -> TokenizedExample:
        """A program as it is asked, with an answer; the parts of its tokens are their roles.

        Raises `UsageError` where the program isn't in what is asked as it was written, and for
        characters that the model doesn't know.
        """
        prompt = prompt_text(self.tokenizer, fill_prompt(self.template, program), self.chat)
        lost = unknown_in(self.tokenizer, prompt)
        if lost:
            raise UsageError(
                f"this model doesn't know {lost}", "trace programs like those it was trained on"
            )
        begins = prompt.rfind(program)
        if begins < 0:
            raise UsageError("the chat template changes the program", "use `plain` instead")
        roles = {
            role: Span(begins + span.start, begins + span.end, span.value)
            for role, span in spans_of(program).items()
        }
        if max(span.end for span in roles.values()) < len(prompt):
            roles[LAST] = Span(len(prompt) - 1, len(prompt), answer)
        completion = f"{self.lead}{answer}"
        answered = {ANSWER: Span(0, len(completion), answer)}
        return text_of(self.tokenizer, prompt, completion, roles, answered)

    def pair(self, pair: ProgramPair) -> Pair:
        """Both as texts that end with the first token in which their answers differ."""
        base = self.text(pair.program, pair.answer)
        source = self.text(pair.counterfactual, pair.other_answer)
        answers = range(base.begins, min(len(base.ids), len(source.ids)))
        differ = next((at for at in answers if base.ids[at] != source.ids[at]), len(base.ids) - 1)
        return Pair(_until(base, differ), _until(source, differ))


def _until(text: TokenizedExample, last: int) -> TokenizedExample:
    """The text as far as this token of its answer, which can be the end token, too."""
    parts = (*text.parts[:last], ANSWER)
    return replace(text, ids=text.ids[: last + 1], tokens=text.tokens[: last + 1], parts=parts)


def verdicts(hooked: HookedModel, pairs: Sequence[Pair]) -> list[Verdict]:
    """Whether the model gives the right answer both ways, pair by pair.

    Raises `ExperimentError` for texts that are longer than the model can read.
    """
    found: list[Verdict] = []
    for first in range(0, len(pairs), BATCH):
        some = pairs[first : first + BATCH]
        texts = [text for pair in some for text in (pair.base, pair.source)]
        check_length(hooked.model, max(len(text.ids) - 1 for text in texts))
        trials = [Trial(number, ()) for number in range(len(texts))]
        right = graded(hooked, texts, (), trials).right[:, 0].reshape(-1, 2)
        for pair, both in zip(some, right, strict=True):
            found.append("unlike" if not pair.alike else "right" if both.all() else "wrong")
    return found


def with_common_prefix(
    hooked: HookedModel, asking: PromptFormat, pairs: Sequence[ProgramPair]
) -> PromptFormat:
    """The same way of asking, with what the model writes before its answers to most of these."""
    ways = [replace(asking, lead=lead) for lead in LEADS]
    some = pairs[:BATCH]
    return max(ways, key=lambda way: verdicts(hooked, [*map(way.pair, some)]).count("right"))


@dataclass(frozen=True)
class Found:
    """Drawn programs that a model answers right both ways, and what became of all it was asked."""

    pairs: list[ProgramPair]
    verdicts: list[Verdict]
    asking: PromptFormat


def find_pairs(
    hooked: HookedModel,
    asking: PromptFormat,
    lines: int,
    hops: int,
    wanted: int,
    first_seed: int = 0,
    generator: Generator = make_variable_binding_program,
) -> Found:
    """The first seeds from `first_seed` on whose program and counterfactual are answered right.

    Raises `UsageError` for lengths and hops that there are no programs of, and `ExperimentError`
    where none of the first `TRIED` for each wanted is answered right.
    """
    pairs: list[ProgramPair] = []
    found: list[Verdict] = []
    last = first_seed + TRIED * wanted
    for start in range(first_seed, last, BATCH):
        seeds = range(start, min(start + BATCH, last))
        pairs_of_seeds = (drawn_pair(lines, hops, seed, generator) for seed in seeds)
        drawn = [pair for pair in pairs_of_seeds if pair]
        if not found:
            asking = with_common_prefix(hooked, asking, drawn)
        for pair, verdict in zip(drawn, verdicts(hooked, [*map(asking.pair, drawn)]), strict=True):
            if len(pairs) < wanted:
                found.append(verdict)
                pairs += [pair] if verdict == "right" else []
        if len(pairs) == wanted:
            break
    if not pairs:
        what = f"{counted(len(found), 'program')} of {counted(lines, 'line')}"
        raise ExperimentError(
            f"the model answers none of {what}, {counted(hops, 'hop')} right both ways",
            "trace programs that it can do: fewer lines or hops, or another model",
        )
    return Found(pairs, found, asking)
