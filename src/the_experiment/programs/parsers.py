"""The value that a model's answer gives, or why there is none."""

from the_experiment.worlds.answers import Parsed, parse_boolean, parse_integer, parse_yes_no
from the_experiment.worlds.programs.prompts import parse_variable_binding

__all__ = ["Parsed", "parse_boolean", "parse_integer", "parse_variable_binding", "parse_yes_no"]
