"""What is true: rules, prompts, right answers, counterfactuals. No torch in here."""

from the_experiment.worlds.catalog import find_world, identity_of, unchanged_world, world_names
from the_experiment.worlds.parts import EXACT, Domain, Grade, PartGrade
from the_experiment.worlds.templated import TemplateWorld
from the_experiment.worlds.world import World

__all__ = [
    "EXACT",
    "Domain",
    "Grade",
    "PartGrade",
    "TemplateWorld",
    "World",
    "find_world",
    "identity_of",
    "unchanged_world",
    "world_names",
]
