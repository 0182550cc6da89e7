"""What came out of a training: accuracy by step, phases beside the published ones, and traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from the_experiment.base.words import counted
from the_experiment.engine.outcome import Chart, HeatMap, Outcome, Table
from the_experiment.evaluation.statistics import Rate, short
from the_experiment.experiments.dynamics.config import DynamicsExperiment, Scale
from the_experiment.experiments.dynamics.evaluation_set import ALL, FOLLOWED, MISLED, Accuracies
from the_experiment.report.plots import BASELINE_COLOUR, INK
from the_experiment.worlds.programs.chain import COMMONEST, FIRST

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNT = 0.99  # the share of right answers at which references are followed
LEARNT_WHERE_MISLED = 0.9  # the same, surely, where the first line's constant is wrong
CAPTION = (
    "Bands: Wilson 95% intervals. Grey lines: the constant on the first line. Dotted: where one "
    "phase ends and the next begins. Shaded: lessons, in which programs come with many answered "
    "questions each; in the first every line has a digit of its own."
)


@dataclass(frozen=True)
class Learnt:
    """One model: what it was right on, by step, and where it carries its answers."""

    seed: int
    looks: Mapping[int, Accuracies]
    baselines: Mapping[str, Accuracies]
    traces: Mapping[str, Any]  # by number of hops
    not_traced: Mapping[str, str]  # why, by number of hops
    lessons: Sequence[int] = ()  # the steps at which they ended
    folder: str = ""

    @classmethod
    def of(cls, seed: int, training: Mapping[str, Any], traces: Mapping[str, Any]) -> Learnt:
        """From the results of its two cells."""

        def rates(found: Mapping[str, Sequence[int]]) -> Accuracies:
            return {name: Rate(*k_n) for name, k_n in found.items()}

        looks = {int(step): rates(found) for step, found in training["looks"].items()}
        return cls(
            seed,
            dict(sorted(looks.items())),
            {name: rates(found) for name, found in training["baselines"].items()},
            traces["by_hops"],
            traces["failed"],
            training["lessons"],
            training["folder"],
        )


def outcome_of(
    experiment: DynamicsExperiment,
    scale: Scale,
    results: Mapping[tuple[int, str], Mapping[str, Any]],
) -> Outcome:
    """Accuracy by step, its phases beside the published ones, and what the traces say."""
    models = [
        Learnt.of(seed, results[seed, "training"], results[seed, "traces"]) for seed in scale.seeds
    ]
    sentences = [sentence_of(model) for model in models]
    traces = [f"seed {model.seed}: {one}" for model in models for one in _traces_told(model)]
    return Outcome(
        title=experiment.name,
        about=[experiment.question, *(f"Seed {one.seed}: {one.folder}/" for one in models)],
        sentences=sentences,
        details=traces,
        tables=[_final_table(models), _phase_table(experiment, models)],
        charts=[Chart("course", "What is right, step by step", partial(_figure, models), CAPTION)],
        maps=list(_maps(models)),
        figures={
            "experiment": experiment.model_dump(),
            "scale": scale.model_dump(),
            "models": [_model_json(model) for model in models],
            "sentences": [*sentences, *traces],
        },
    )


def _maps(models: Sequence[Learnt]) -> Iterator[HeatMap]:
    for model in models:
        for traced in model.traces.values():
            for one in (one for of_kind in traced["maps"].values() for one in of_kind):
                yield HeatMap.from_json({**one, "title": f"seed {model.seed}: {one['title']}"})


@dataclass(frozen=True)
class Stretch:
    """A phase of one training: the steps of the looks that it has, and what they saw."""

    what: str
    looks: dict[int, Accuracies]

    @property
    def until(self) -> str:
        """The step of its last look."""
        return f"{max(self.looks):,}" if self.looks else "–"

    def seen(self, name: str) -> str:
        """The lowest and highest share over its looks, such as `.11–.15 (3 looks)`."""
        shares = [look[name].share for look in self.looks.values()]
        if not shares:
            return "–"
        ends = dict.fromkeys((short(min(shares)), short(max(shares))))
        return f"{'–'.join(ends)} ({counted(len(shares), 'look')})"


def stretches(model: Learnt) -> list[Stretch]:
    """The phases of a training.

    The first ends when more is right than halfway from the commonest answer to the first line's
    constant; the second when the first line misleads it in less than half of the programs in which
    it does; the third when 99% are right.
    """
    easy, hard = (model.baselines[name][ALL].share for name in (COMMONEST, FIRST))
    ends: list[Callable[[Accuracies], bool]] = [
        lambda look: look[ALL].share > (easy + hard) / 2,
        lambda look: look[MISLED].share > 0.5,
        lambda look: look[ALL].share >= LEARNT,
        lambda _: False,
    ]
    names = ["digits at random", "the first line's constant", "references, more and more", "learnt"]
    found: list[dict[int, Accuracies]] = [{} for _ in names]
    phase = 0
    for step, look in model.looks.items():
        while ends[phase](look):
            phase += 1
        found[phase][step] = look
    return [Stretch(name, looks) for name, looks in zip(names, found, strict=True)]


def sentence_of(model: Learnt) -> str:
    """What came out of one training."""
    step, last = max(model.looks.items())
    shortcut = model.baselines[FIRST]
    return (
        f"seed {model.seed}, step {step:,}: {last[ALL]} of held-out programs are right; the first "
        f"line's constant is in {shortcut[ALL]}. Where that is wrong, {last[MISLED]} are right and "
        f"{last[FOLLOWED]} give it all the same: the model {_following(last)}."
    )


def _following(last: Accuracies) -> str:
    """What a model does with references, by where the first line misleads."""
    if last[MISLED].low > LEARNT_WHERE_MISLED:
        return "follows references"
    beaten = last[MISLED].low > last[FOLLOWED].high
    return "follows references in part" if beaten else "does not follow references"


def _traces_told(model: Learnt) -> Iterator[str]:
    for traced in model.traces.values():
        yield from traced["sentences"]
    for hops, why in model.not_traced.items():
        yield f"{hops}: nothing is traced: {why}"


def _final_table(models: Sequence[Learnt]) -> Table:
    """The last evaluation of each model, and the baselines on the first one's programs.

    Their programs are other ones, of the same kind.
    """
    names = [name for name in models[0].baselines[FIRST] if name != MISLED]
    rows = []
    for model in models:
        step, last = max(model.looks.items())
        rows.append([f"seed {model.seed}, step {step:,}", *(str(last[name]) for name in names)])
    for baseline, look in models[0].baselines.items():
        rows.append([baseline, *(str(look[name]) for name in names)])
    return Table(["right", *names], rows, "After the last step", baselines=models[0].baselines)


def _phase_table(experiment: DynamicsExperiment, models: Sequence[Learnt]) -> Table:
    """The phases: published, and of each seed where it ends, what is right and what is misled."""
    published = experiment.published
    columns = ["phase", "published: until step", "right"]
    for model in models:
        columns += [f"seed {model.seed}: {what}" for what in ("until step", "right", "misled")]
    rows = []
    for number, stretch in enumerate(stretches(models[0])):
        told = published.phases[number] if number < len(published.phases) else None
        row = [stretch.what, *((told.until, told.accuracy) if told else ("", ""))]
        for model in models:
            ours = stretches(model)[number]
            row += [ours.until, ours.seen(ALL), ours.seen(FOLLOWED)]
        rows.append(row)
    note = (
        f"Published: {published.source}; {published.setting}. Misled: where the first line's "
        "constant is wrong, the share that gives it."
    )
    return Table(columns, rows, "The phases, as published and here", note=note)


def _model_json(model: Learnt) -> dict[str, Any]:
    def as_json(look: Accuracies) -> dict[str, Any]:
        return {name: rate.as_json() for name, rate in look.items()}

    return {
        "seed": model.seed,
        "lessons": list(model.lessons),
        "looks": {str(step): as_json(look) for step, look in model.looks.items()},
        "baselines": {name: as_json(look) for name, look in model.baselines.items()},
        "phases": [
            {"what": one.what, "steps": sorted(one.looks), "right": one.seen(ALL)}
            for one in stretches(model)
        ],
        "traces": dict(model.traces),
        "not_traced": dict(model.not_traced),
    }


def _figure(models: Sequence[Learnt]) -> Figure:
    """Accuracy against the step: by hops, and where the first line's constant is wrong."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.2, 3.6 * len(models)), layout="constrained")
    for axes, model in zip(figure.subplots(len(models), squeeze=False)[:, 0], models, strict=True):
        _draw(axes, model)
    return figure


def _draw(axes: Axes, model: Learnt) -> None:
    steps = list(model.looks)
    shown = [name for name in model.baselines[FIRST] if MISLED not in name and name != ALL]
    for number, name in enumerate([*shown, MISLED, FOLLOWED]):
        rates = [look[name] for look in model.looks.values()]
        style = "-" if name in shown else "--"
        label = f"{name} (n = {rates[-1].n})"
        axes.plot(steps, [rate.share for rate in rates], style, color=f"C{number}", label=label)
        _band(axes, steps, rates, f"C{number}")
    for name in shown:
        baseline = model.baselines[FIRST][name].share
        axes.axhline(baseline, color=BASELINE_COLOUR, linewidth=1)
        axes.annotate(f"{FIRST}, {name}", (steps[-1], baseline), fontsize=7, ha="right")
    for stretch in stretches(model)[:-1]:
        if stretch.looks:
            axes.axvline(max(stretch.looks), color=INK, linewidth=0.6, linestyle=":")
    for begins, ends in pairwise((0, *model.lessons)):
        axes.axvspan(begins, ends, color=BASELINE_COLOUR, alpha=0.1 + 0.1 * (begins > 0))
        axes.annotate("lesson", ((begins + ends) / 2, 1.01), fontsize=7, ha="center", va="bottom")
    axes.set_ylim(-0.03, 1.06)
    axes.set_xlabel("step")
    axes.set_ylabel("share of held-out programs")
    axes.set_title(f"seed {model.seed}", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=8)


def _band(axes: Axes, steps: Sequence[int], rates: Sequence[Rate], colour: str) -> None:
    low, high = [rate.low for rate in rates], [rate.high for rate in rates]
    axes.fill_between(steps, low, high, color=colour, alpha=0.13, linewidth=0)
