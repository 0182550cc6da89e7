"""The loop from rows to a run folder: a lean step, checkpoints, resume, until-fit."""
