"""What a notebook imports to ask models about programs; thin names over the engine.

from the_experiment.programs import ExperimentRunner, generators, prompts, quick_experiment
"""

from the_experiment.experiments.programs.config import ExperimentConfig
from the_experiment.programs import generators, parsers, prompts
from the_experiment.programs.runner import ExperimentRunner

quick_experiment = ExperimentConfig

__all__ = [
    "ExperimentConfig",
    "ExperimentRunner",
    "generators",
    "parsers",
    "prompts",
    "quick_experiment",
]
