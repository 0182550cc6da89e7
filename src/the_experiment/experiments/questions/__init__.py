"""Questions: what a model answers, whole and without each of its pieces."""

from the_experiment.experiments.questions.config import QuestionsExperiment

__all__ = ["QuestionsExperiment"]
