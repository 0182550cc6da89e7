"""The bet: fine-tuned on one branch of a conditional, does a model keep the other?"""

from the_experiment.experiments.bet.config import BetExperiment

__all__ = ["BetExperiment"]
