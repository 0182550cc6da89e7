"""What is read from a file that somebody wrote, and what pydantic finds wrong with it, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError
from typing_extensions import Self

from the_experiment.base.errors import UsageError


class Strict(BaseModel):
    """Frozen values from a file, a call or JSON: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def checked(cls, **values: object) -> Self:
        """One of single values. Raises `UsageError` that says what is wrong with which."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(str(first_problem(error))) from None


# A value as transformers wants it: our reader of YAML gives texts, JSON a bool that is no number.
Single = Annotated[StrictBool | int | float | bool | str, Field(union_mode="left_to_right")]
Setting = Annotated[Single | list[Single], Field(union_mode="left_to_right")]


WORDS = {  # by pydantic's name for what is wrong; filled in from what it knows about it
    "bool_parsing": "should be true or false",
    "bool_type": "should be true or false",
    "dict_type": "should be keys with values",
    "enum": "should be {expected}",
    "extra_forbidden": "unknown key",
    "finite_number": "should be a finite number",
    "float_parsing": "should be a number",
    "float_type": "should be a number",
    "greater_than": "should be more than {gt:g}",
    "greater_than_equal": "should be {ge:g} or more",
    "int_from_float": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_type": "should be a whole number",
    "less_than": "should be less than {lt:g}",
    "less_than_equal": "should be {le:g} or less",
    "list_type": "should be a list",
    "literal_error": "should be {expected}",
    "missing": "this key is missing",
    "model_attributes_type": "should be keys with values",
    "model_type": "should be keys with values",
    "string_too_short": "should not be empty",
    "string_type": "should be a string",
    "too_long": "should have at most {max_length} entries",
    "too_short": "should not be empty",
    "tuple_type": "should be a list",
    "union_tag_invalid": "should be {expected_tags}",
}


@dataclass(frozen=True)
class Problem:
    """The first thing that is wrong: where, as keys from the outside in, and what."""

    path: tuple[int | str, ...]
    kind: str  # pydantic's name for it
    what: str

    @property
    def key(self) -> str:
        """The path as it is shown, such as `seeds.0`; empty for the whole of it."""
        return ".".join(map(str, self.path))

    def __str__(self) -> str:
        return f"{self.key}: {self.what}" if self.path else self.what


def first_problem(error: ValidationError) -> Problem:
    """The first problem; an unknown key before others, as a misspelt one leaves another missing.

    >>> from pydantic import BaseModel, ValidationError
    >>> class Point(BaseModel):
    ...     x: int
    >>> try:
    ...     Point.model_validate({"x": "left"})
    ... except ValidationError as error:
    ...     print(first_problem(error))
    x: should be a whole number
    """
    problem = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    known: dict[str, Any] = problem.get("ctx", {})
    words = WORDS.get(problem["type"])
    what = words.format(**known) if words else problem["msg"].removeprefix("Value error, ")
    return Problem(problem["loc"], problem["type"], what)
