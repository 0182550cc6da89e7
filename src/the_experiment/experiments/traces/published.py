"""What the report on Claire found, with what it leaves out: how sure its figures can be."""

from __future__ import annotations

from dataclasses import dataclass

from the_experiment.evaluation.statistics import Rate, newcombe

SOURCE = "LLM Causal Reasoning: Initial Report (Claire), section 4.5"
TESTED = {"gpqa_diamond": 198, "gpqa_extended": 546, "gsm8k": 1319}  # questions, as published


@dataclass(frozen=True)
class PublishedGain:
    """One benchmark and size of model, before and after tuning."""

    benchmark: str
    size: str  # parameters
    base: Rate
    tuned: Rate

    @property
    def gain(self) -> float:
        """What tuning added to the share that is right."""
        return self.tuned.share - self.base.share

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the gain, as of two samples (Newcombe 1998, method 10).

        Which questions were right both times was not published; it would mostly narrow this.

        >>> found = PublishedGain("gsm8k", "0.5B", Rate(290, 1319), Rate(409, 1319))
        >>> tuple(round(end, 3) for end in found.interval)
        (0.057, 0.124)
        """
        return newcombe(self.tuned, self.base)

    @property
    def beyond_noise(self) -> bool:
        """Whether the interval leaves out 0."""
        low, high = self.interval
        return low > 0 or high < 0


def _published(benchmark: str, size: str, base: float, tuned: float) -> PublishedGain:
    """From shares of two digits, which is all that was published."""
    n = TESTED[benchmark]
    return PublishedGain(benchmark, size, Rate(round(base * n), n), Rate(round(tuned * n), n))


PUBLISHED = (
    _published("gpqa_diamond", "0.5B", 0.23, 0.27),
    _published("gpqa_diamond", "1.5B", 0.29, 0.29),
    _published("gpqa_diamond", "7B", 0.32, 0.38),
    _published("gpqa_extended", "0.5B", 0.26, 0.27),
    _published("gpqa_extended", "1.5B", 0.31, 0.29),
    _published("gpqa_extended", "7B", 0.33, 0.35),
    _published("gsm8k", "0.5B", 0.22, 0.31),
    _published("gsm8k", "1.5B", 0.29, 0.61),
    _published("gsm8k", "7B", 0.77, 0.88),
)
