"""Greedy decoding from drafts: texts that are nearly what a model writes.

One forward checks all tokens of a draft where `greedy` takes a forward for each: speculative
decoding (Leviathan et al., arXiv 2211.17192) with a known text in place of a second model.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.models.decoding import end_ids, greedy
from the_experiment.models.scoring import likeliest
from the_experiment.models.texts import encode_all

FEW = 32  # texts; from 64 on, whole forwards cost more than token by token with kept keys
FORWARDS = 4  # over a draft; what is not settled then is decoded token by token


def greedy_from(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    drafts: Sequence[str],
    max_new_tokens: int,
) -> list[str]:
    """What `greedy` writes after each prompt, faster the more of its draft is right.

    Raises `ExperimentError` as `greedy` does.
    """
    if len(prompts) > FEW:
        return greedy(model, tokenizer, prompts, max_new_tokens)
    encoded = encode_all(tokenizer, list(zip(prompts, drafts, strict=True)))
    tokens = [list(one.completion[:max_new_tokens]) for one in encoded]
    ends = end_ids(model, tokenizer)
    left = list(range(len(prompts)))
    for _ in range(FORWARDS):
        if not left:
            break
        found = likeliest(model, tokenizer, [(encoded[row].prompt, tokens[row]) for row in left])
        wrong = []
        for row, likely in zip(left, found, strict=True):
            corrected, whole = _corrected(tokens[row], likely, ends)
            tokens[row] = corrected[:max_new_tokens]
            wrong += [] if whole else [row]
        left = wrong
    texts = [str(tokenizer.decode(row, skip_special_tokens=True)) for row in tokens]
    decoded = greedy(model, tokenizer, [prompts[row] for row in left], max_new_tokens)
    for row, text in zip(left, decoded, strict=True):
        texts[row] = text
    return texts


def _corrected(
    draft: Sequence[int], likely: Sequence[int], ends: Sequence[int]
) -> tuple[list[int], bool]:
    """The draft with its first wrong token replaced, and whether it is the model's whole text.

    >>> _corrected([5, 6, 7, 1], [5, 9, 7, 1], ends=[1])
    ([5, 9, 7, 1], False)
    >>> _corrected([5, 9, 7, 1], [5, 9, 1, 1], ends=[1])
    ([5, 9], True)
    """
    for place, token in enumerate(likely):
        if token in ends:
            return list(draft[:place]), True
        if token != draft[place]:
            return [*draft[:place], token, *(draft[place + 1 :] or ends[:1])], False
    return list(draft), True
