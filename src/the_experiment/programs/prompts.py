"""What a model is asked about a program: texts with `{code}` where the program stands."""

from the_experiment.worlds.programs.prompts import (
    BOOLEAN_LOGIC,
    CHAIN_OF_THOUGHT,
    ENTITY_TRACKING,
    MINIMAL,
    RANGE_TRACKING,
    STEP_BY_STEP,
    VARIABLE_BINDING,
)

__all__ = [
    "BOOLEAN_LOGIC",
    "CHAIN_OF_THOUGHT",
    "ENTITY_TRACKING",
    "MINIMAL",
    "RANGE_TRACKING",
    "STEP_BY_STEP",
    "VARIABLE_BINDING",
]
