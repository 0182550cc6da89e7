"""Where the right-hand sides, the chain and the query of a program stand among its tokens."""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from the_experiment.models.texts import offsets
from the_experiment.worlds.programs.chain import right_hand_sides, spans_of
from the_experiment.worlds.template import Span


@dataclass(frozen=True)
class Token:
    """One token of a program: its position among all of them, and its text."""

    position: int
    text: str


class TokenAnalyzer:
    """Tells the tokens of programs apart under one tokenizer.

    >>> from the_experiment.data.tokenizer import character_tokenizer
    >>> analyzer = TokenAnalyzer(character_tokenizer("xyz=12\\n#:"))
    >>> [token.text for token in analyzer.rhs_tokens("x=1\\nz=2\\ny=x\\n#y:")]
    ['1', '2', 'x']
    >>> analyzer.referential_depth("x=1\\ny=x")[2]
    [Token(position=6, text='x')]
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer

    def rhs_tokens(self, program: str) -> list[Token]:
        """The tokens of all right-hand sides. Raises `UsageError` for lines that assign nothing."""
        return [t for span in right_hand_sides(program) for t in self._tokens(program, span)]

    def referential_depth(self, program: str) -> dict[int, list[Token]]:
        """The right-hand sides of the chain: 1 is the constant's, the last the queried variable's.

        Raises `UsageError` where there is no chain.
        """
        depths = [span for role, span in spans_of(program).items() if role.startswith("depth ")]
        return {depth: self._tokens(program, span) for depth, span in enumerate(depths, start=1)}

    def query_tokens(self, program: str) -> list[Token]:
        """The closing line's name and colon. Raises `UsageError` where there is no chain."""
        spans = spans_of(program)
        found = [self._tokens(program, spans[role]) for role in ("query", ":") if role in spans]
        return list(dict.fromkeys(token for tokens in found for token in tokens))

    def _tokens(self, program: str, span: Span) -> list[Token]:
        """The tokens that share a character with the span."""
        places = enumerate(offsets(self._tokenizer, program))
        return [
            Token(position, program[start:end])
            for position, (start, end) in places
            if start < span.end and end > span.start
        ]
