"""Contestants on splits of one world, cell by cell, and a claim about two of them."""

from the_experiment.experiments.splits.config import SplitsExperiment

__all__ = ["SplitsExperiment"]
