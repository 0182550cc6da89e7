"""Published gene-regulatory networks beside random ones: rules of nature, and rules of chance."""

from the_experiment.experiments.regulation.config import RegulationExperiment

__all__ = ["RegulationExperiment"]
