"""Training dynamics: a model evaluated along its training, and traces of what it learnt."""

from the_experiment.experiments.dynamics.config import DynamicsExperiment

__all__ = ["DynamicsExperiment"]
