"""The value that a model's answer gives, or why there is none."""

from the_experiment.worlds.programs.parsers import (
    Parsed,
    parse_boolean,
    parse_integer,
    parse_variable_binding,
)

__all__ = ["Parsed", "parse_boolean", "parse_integer", "parse_variable_binding"]
