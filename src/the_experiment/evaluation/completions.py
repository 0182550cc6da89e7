"""What a trained model writes after a prompt, graded by part against the rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from the_experiment.worlds import PartGrade, World

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from the_experiment.models.scoring import CompletionScore


@dataclass(frozen=True)
class Completion:
    """One greedy completion held against the rules."""

    prompt: str
    text: str
    exact: bool  # equal to the right completion to the last character, and ended there
    parts: dict[str, PartGrade]
    probabilities: dict[str, float]  # of each part as it was written
    logprob: float  # of the right completion as a whole, natural logarithm


def complete(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    world: World,
    prompts: Sequence[str],
) -> list[Completion]:
    """The greedy completion of each prompt.

    One teacher-forced forward over the right completions tells which of them greedy decoding
    writes exactly; only the others are decoded.
    """
    from the_experiment.models.drafts import greedy_from
    from the_experiment.models.scoring import score

    right = dict(zip(prompts, world.answers(prompts), strict=True))
    scores = score(model, tokenizer, [(prompt, right[prompt]) for prompt in prompts])
    written = dict(right)
    scored = dict(zip(prompts, scores, strict=True))
    missed = [prompt for prompt, one in zip(prompts, scores, strict=True) if not one.exact]
    if missed:
        room = max(len(one.right) for one in scores)
        texts = greedy_from(model, tokenizer, missed, [right[one] for one in missed], room)
        written |= dict(zip(missed, texts, strict=True))
        scored |= dict(
            zip(missed, score(model, tokenizer, list(zip(missed, texts, strict=True))), strict=True)
        )
    return [
        _graded(world, prompt, right[prompt], written[prompt], scored[prompt], truth)
        for prompt, truth in zip(prompts, scores, strict=True)
    ]


def _graded(
    world: World,
    prompt: str,
    right: str,
    text: str,
    written: CompletionScore,
    truth: CompletionScore,
) -> Completion:
    return Completion(
        prompt=prompt,
        text=text,
        exact=truth.exact,
        parts=world.grade_against(right, text).parts,
        probabilities=_part_probabilities(world, text, written),
        logprob=truth.logprob,
    )


def _part_probabilities(world: World, text: str, scored: CompletionScore) -> dict[str, float]:
    """The product over the tokens that share a character with each part that is there."""
    probabilities = {}
    for part, span in world.spans(text).items():
        if span:
            inside = [
                logprob
                for logprob, (start, end) in zip(scored.logprobs, scored.offsets, strict=True)
                if start < span.end and end > span.start
            ]
            probabilities[part] = math.exp(sum(inside))
    return probabilities
