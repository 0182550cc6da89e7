"""Putting prompts to a model: in its chat template or as they are, many at once, greedily."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from the_experiment.base.defaults import Chat
from the_experiment.base.errors import ExperimentError, UsageError, first_line
from the_experiment.models.decoding import greedy
from the_experiment.models.scoring import max_positions
from the_experiment.models.texts import prompt_ids

SHORTEN = "use a shorter prompt, a lower --max-new-tokens, or a model with a longer context"


def ask(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    max_new_tokens: int,
    chat: Chat = "auto",
) -> list[str]:
    """The likeliest text after each prompt, token by token, without end tokens, in order.

    Raises `ExperimentError` naming the first prompt without room for its answer; see
    `why_too_long`. Raises `UsageError` for `chat="chat"` where the tokenizer has no template.
    """
    for number, prompt in enumerate(prompts, start=1):
        harm = why_too_long(model, tokenizer, prompt, max_new_tokens, chat)
        if harm:
            raise ExperimentError(
                f"prompt {number} of {len(prompts)} is too long: {harm}",
                SHORTEN,
            )
    texts = [prompt_text(tokenizer, prompt, chat) for prompt in prompts]
    return greedy(model, tokenizer, texts, max_new_tokens)


def prompt_text(
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    chat: Chat = "auto",
    examples: Sequence[tuple[str, str]] = (),
) -> str:
    """What is put to the model, special tokens and all: nothing must be added to it in encoding.

    `examples`, prompts with their answers, are earlier turns, or stand before it with empty lines.

    The chat template if the tokenizer has one, without thinking where it knows how; else, and with
    `plain`, the prompt, after the token that the tokenizer begins every text with, if it has one.
    Raises `UsageError` for `chat="chat"` where there is no template, and for one that refuses.

    >>> from the_experiment.data.tokenizer import character_tokenizer
    >>> prompt_text(character_tokenizer("x=1"), "x=1")
    'x=1'
    """
    if chat not in get_args(Chat):
        raise UsageError(f"unknown chat mode {chat!r}", f"one of {', '.join(get_args(Chat))}")
    if chat == "chat" and not tokenizer.chat_template:
        raise UsageError("this model's tokenizer has no chat template", "use `--chat plain`")
    if chat == "plain" or not tokenizer.chat_template:
        solved = "".join(f"{asked} {answer}\n\n" for asked, answer in examples)
        return _beginning(tokenizer, solved + prompt) + solved + prompt
    turns = [
        {"role": role, "content": text}
        for asked, answer in examples
        for role, text in (("user", asked), ("assistant", answer))
    ]
    turns.append({"role": "user", "content": prompt})
    try:
        text = tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
    except Exception as error:  # a template is a program; some want a system prompt
        raise UsageError(
            f"the chat template refuses a prompt ({first_line(error)})", "use `--chat plain`"
        ) from None
    return str(text)


def _beginning(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    """The token that every text begins with, unless the prompt does already."""
    begin = tokenizer.bos_token
    if not begin or prompt.startswith(begin):
        return ""
    return begin if tokenizer(prompt)["input_ids"][:1] == [tokenizer.bos_token_id] else ""


def why_too_long(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    max_new_tokens: int,
    chat: Chat = "auto",
) -> str:
    """Why the model can't be asked this and answer in so many tokens; empty where it can."""
    tokens, positions = (
        len(prompt_ids(tokenizer, prompt_text(tokenizer, prompt, chat))),
        max_positions(model),
    )
    if positions is None or tokens + max_new_tokens - 1 <= positions:
        return ""
    return f"{tokens} tokens and {max_new_tokens} new ones exceed the context length, {positions}"
