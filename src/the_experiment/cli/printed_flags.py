"""The flags that the project was first described with; each is a verb under another name."""

from __future__ import annotations

PRINTED_FLAGS: dict[str, list[str]] = {
    "--generate": ["generate"],
    "--train": ["train", "gpt2"],
    "--train_rnn": ["train", "rnn"],
    "--train_cnn": ["train", "cnn"],
    "--test": ["test"],
    "--testui": ["testui"],
}


def as_verbs(words: list[str]) -> list[str]:
    """The same call with the verb in place of its flag; other calls are left as they are.

    >>> as_verbs(["--generate", "-o", "1,0,1,0,1"])
    ['generate', '-o', '1,0,1,0,1']
    >>> as_verbs(["-o", "1,0,1,0,1", "--generate"])
    ['generate', '-o', '1,0,1,0,1']
    """
    if words and words[0].startswith("-"):
        for position, word in enumerate(words):
            if word in PRINTED_FLAGS:
                return [*PRINTED_FLAGS[word], *words[:position], *words[position + 1 :]]
    return words


def flags_help() -> str:
    """One line for each flag, for `--help`."""
    return "\n\n".join(
        f"[bold]{flag}[/] is short for [bold]{' '.join(verb)}[/]"
        for flag, verb in PRINTED_FLAGS.items()
    )
