"""Asking models about programs: what is drawn, asked and counted, length by length, hop by hop."""

from the_experiment.experiments.programs.config import ProgramsExperiment

__all__ = ["ProgramsExperiment"]
