"""Causal tracing: which patches make a model's answer that of the counterfactual program."""

from the_experiment.experiments.tracing.config import TracingExperiment

__all__ = ["TracingExperiment"]
