"""What is read from a file that somebody wrote."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool


class Strict(BaseModel):
    """A part of a file: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# A value as transformers wants it: our reader of YAML gives texts, JSON a bool that is no number.
Single = Annotated[StrictBool | int | float | bool | str, Field(union_mode="left_to_right")]
Setting = Annotated[Single | list[Single], Field(union_mode="left_to_right")]
