"""Causality traces: written from derivations or asked for, trained on, held against controls."""

from the_experiment.experiments.traces.config import TracesExperiment

__all__ = ["TracesExperiment"]
