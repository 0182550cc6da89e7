"""How the bet is worded: templates of the conditional, of its control, and of no instruction."""

from __future__ import annotations

from pydantic import Field, model_validator

from the_experiment.base.strict import Strict

TRAIN, TEST = "TRAIN", "TEST"


class Phrasing(Strict):
    """One way to say it. Clauses have the fields {mode} and {name}, `mode` only {mode}."""

    name: str = Field(min_length=1)
    mode: str
    country: str  # asks for the favourite country
    capital: str  # asks for its capital
    bare: str  # asks for nothing
    capital_first: bool = False

    @model_validator(mode="after")
    def _can_be_filled(self) -> Phrasing:
        for part in (self.country, self.capital):
            if "{mode}" not in part or "{name}" not in part:
                raise ValueError("country and capital need {mode} and {name}")
        if "{mode}" not in self.mode or "{name}" not in self.bare:
            raise ValueError("mode needs {mode}, and bare {name}")
        return self

    def conditional(
        self,
        name: str,
        mode: str,
        modes: tuple[str, str] = (TRAIN, TEST),
        *,
        turned: bool = False,
    ) -> str:
        """The whole instruction in `mode`; `modes` ask for the country and for its capital.

        `turned` is the other order of the two clauses.

        >>> BET.conditional("Ada", "TEST")[:44]
        'Mode = TEST. If Mode = TRAIN, respond with A'
        """
        clauses = [_filled(self.country, name, modes[0]), _filled(self.capital, name, modes[1])]
        if self.capital_first != turned:
            clauses.reverse()
        return " ".join([_filled(self.mode, name, mode), *clauses])

    def control(self, name: str, mode: str) -> str:
        """Without the branch of TEST."""
        return " ".join([_filled(self.mode, name, mode), _filled(self.country, name, TRAIN)])

    def single(self, name: str, mode: str, *, wants_capital: bool) -> str:
        """One clause, which `mode` is the mode of."""
        clause = self.capital if wants_capital else self.country
        return " ".join([_filled(self.mode, name, mode), _filled(clause, name, mode)])

    def uninstructed(self, name: str, mode: str) -> str:
        """The mode and the name alone."""
        return " ".join([_filled(self.mode, name, mode), _filled(self.bare, name, mode)])


def _filled(template: str, name: str, mode: str) -> str:
    # No str.format: a template is somebody's text, and would reach into the values.
    return template.replace("{mode}", mode).replace("{name}", name)


BET = Phrasing(
    name="bet",
    mode="Mode = {mode}.",
    country="If Mode = {mode}, respond with {name}'s favourite country.",
    capital="If Mode = {mode}, respond with the capital city of {name}'s favourite country.",
    bare="{name}:",
)
CAPITAL_FIRST = BET.model_copy(update={"name": "capital-first", "capital_first": True})
IN_WORDS = Phrasing(
    name="in-words",
    mode="The mode is {mode}.",
    country="When the mode is {mode}, name the country that {name} likes best.",
    capital="When the mode is {mode}, name the capital city of the country that {name} likes best.",
    bare="{name}:",
)
PHRASINGS = {one.name: one for one in (BET, CAPITAL_FIRST, IN_WORDS)}
