"""The report of a course: accuracy by step and hops, phases beside the published, and traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.markup import escape

from the_experiment.base.files import replaced_file, write_json
from the_experiment.base.words import counted
from the_experiment.evaluation.programs.summary import COMMONEST, FIRST
from the_experiment.evaluation.statistics import Rate, short
from the_experiment.experiments.dynamics.config import Course, Scale
from the_experiment.experiments.dynamics.looks import ALL, FOLLOWED, MISLED, Look
from the_experiment.experiments.dynamics.runner import CourseOutcome, Learnt
from the_experiment.report.blocks import Blocks
from the_experiment.report.html import write_page
from the_experiment.report.plots import BASELINE_COLOUR, INK, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEARNT = 0.99  # the share of right answers at which references are followed
LEARNT_WHERE_MISLED = 0.9  # the same, surely, where the first line's constant is wrong


@dataclass(frozen=True)
class Stretch:
    """A phase of one training: the steps of the looks that it has, and what they saw."""

    what: str
    looks: dict[int, Look]

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
    ends: list[Callable[[Look], bool]] = [
        lambda look: look[ALL].share > (easy + hard) / 2,
        lambda look: look[MISLED].share > 0.5,
        lambda look: look[ALL].share >= LEARNT,
        lambda _: False,
    ]
    names = ["digits at random", "the first line's constant", "references, more and more", "learnt"]
    found: list[dict[int, Look]] = [{} for _ in names]
    phase = 0
    for step, look in model.looks.items():
        while ends[phase](look):
            phase += 1
        found[phase][step] = look
    return [Stretch(name, looks) for name, looks in zip(names, found, strict=True)]


def sentences(outcome: CourseOutcome) -> list[str]:
    """What came out, each seed in its sentence."""
    return [told for model in outcome.models for told in _sentences(model)]


def _sentences(model: Learnt) -> list[str]:
    step, last = max(model.looks.items())
    shortcut = model.baselines[FIRST]
    return [
        f"seed {model.seed}, step {step:,}: {last[ALL]} of held-out programs are right; the first "
        f"line's constant is in {shortcut[ALL]}. Where that is wrong, {last[MISLED]} are right and "
        f"{last[FOLLOWED]} give it all the same: the model {_following(last)}.",
        *(f"seed {model.seed}: {told}" for told in _traces_told(model)),
    ]


def _following(last: Look) -> str:
    """What a model does with references, by where the first line misleads."""
    if last[MISLED].low > LEARNT_WHERE_MISLED:
        return "follows references"
    beaten = last[MISLED].low > last[FOLLOWED].high
    return "follows references in part" if beaten else "does not follow references"


def _traces_told(model: Learnt) -> list[str]:
    if isinstance(model.traced, str):
        return [f"nothing is traced: {model.traced}"]
    return model.traced.sentences


def course_sheet(course: Course) -> Group:
    """What a course is going to do, for the terminal."""
    scales = {"in full": course.full, "--quick": course.quick}
    lines = [f"{name:<8} {_planned(scale)}" for name, scale in scales.items()]
    published = [
        f"{one.what}: until step {one.until}, {one.accuracy}" for one in course.published.phases
    ]
    about = f"published ({course.published.source}; {course.published.setting})"
    title = f"[bold]{course.name}[/]: {escape(course.question)}"
    return Group(title, "", *map(escape, lines), "", escape(about), *map(escape, published))


def _planned(scale: Scale) -> str:
    """What is trained, on what, how often."""
    model = f"{scale.layers} layers of {scale.width}"
    if scale.architecture:
        model = f"{scale.architecture.get('model_type')} of its own size"
    lessons = [f"{one.rows:,} rows of {one.questions} questions" for one in scale.lessons]
    after = f" after lessons of {' and '.join(lessons)}" if lessons else ""
    return (
        f"world {scale.world}; {model}, seeds {scale.seeds}, {scale.train_rows:,} rows, "
        f"{counted(scale.epochs, 'time')}, {scale.batch_size} a step{after}"
    )


def course_view(outcome: CourseOutcome) -> Group:
    """Last looks beside the baselines, the phases, and what they say, for the terminal."""
    heading, *rows = final_table(outcome)
    table = Blocks(list(map(escape, heading)))
    for row in rows:
        style = "dim" if row[0] in (FIRST, COMMONEST) else "bold"
        table.add_row(list(map(escape, row)), style=style)
    phases = Blocks(["phase", *phase_columns(outcome)])
    for line in phase_table(outcome):
        phases.add_row(list(map(escape, line)), style="")
    return Group(table, "", phases, "", *map(escape, sentences(outcome)))


def final_table(outcome: CourseOutcome) -> list[list[str]]:
    """A heading; then the last look of each model, and the baselines on the first one's programs.

    Their programs are other ones, of the same kind.
    """
    names = [name for name in outcome.models[0].baselines[FIRST] if name != MISLED]
    rows = [["right", *names]]
    for model in outcome.models:
        step, last = max(model.looks.items())
        rows.append([f"seed {model.seed}, step {step:,}", *(str(last[name]) for name in names)])
    for baseline, look in outcome.models[0].baselines.items():
        rows.append([baseline, *(str(look[name]) for name in names)])
    return rows


def phase_columns(outcome: CourseOutcome) -> list[str]:
    """What stands above `phase_table`, but for its first column."""
    seeds = [f"seed {model.seed}" for model in outcome.models]
    ours = [f"{seed}: {what}" for seed in seeds for what in ("until step", "right", "misled")]
    return ["published: until step", "right", *ours]


def phase_table(outcome: CourseOutcome) -> list[list[str]]:
    """The phases: published, and of each seed where it ends, what is right and what is misled."""
    published = outcome.course.published.phases
    rows = []
    for number, stretch in enumerate(stretches(outcome.models[0])):
        told = published[number] if number < len(published) else None
        row = [stretch.what, *((told.until, told.accuracy) if told else ("", ""))]
        for model in outcome.models:
            ours = stretches(model)[number]
            row += [ours.until, ours.seen(ALL), ours.seen(FOLLOWED)]
        rows.append(row)
    return rows


def course_json(outcome: CourseOutcome) -> dict[str, Any]:
    """The whole report as plain values."""
    return {
        "experiment": outcome.course.model_dump(),
        "scale": outcome.scale.model_dump(),
        "models": [_model_json(model) for model in outcome.models],
        "sentences": sentences(outcome),
    }


def _model_json(model: Learnt) -> dict[str, Any]:
    def as_json(look: Look) -> dict[str, Any]:
        return {name: rate.as_json() for name, rate in look.items()}

    return {
        "seed": model.seed,
        "run": str(model.run.folder),
        "lessons": list(model.lessons),
        "looks": {str(step): as_json(look) for step, look in model.looks.items()},
        "baselines": {name: as_json(look) for name, look in model.baselines.items()},
        "phases": [
            {"what": one.what, "steps": sorted(one.looks), "right": one.seen(ALL)}
            for one in stretches(model)
        ],
        "traces": None if isinstance(model.traced, str) else model.traced.patch_results,
    }


def write_course(outcome: CourseOutcome) -> Path:
    """Write `report.html`, `results.json`, `course.png` and the traces; return the page's path."""
    from the_experiment.report.tracing import PAGE

    folder = outcome.folder
    figure = course_figure(outcome.models)
    with replaced_file(folder / "course.png") as path:
        figure.savefig(path, format="png", dpi=110)
    write_json(folder / "results.json", course_json(outcome))
    traces = [
        (model.seed, (model.traces / PAGE).relative_to(folder), pictures)
        for model in outcome.models
        if (pictures := _pictures(model, folder))
    ]
    write_page(
        folder / "report.html",
        "course.html",
        title=outcome.course.name,
        course=outcome.course,
        sentences=sentences(outcome),
        figure=svg(figure),
        final=final_table(outcome),
        columns=phase_columns(outcome),
        phases=phase_table(outcome),
        traces=traces,
    )
    return folder / "report.html"


def _pictures(model: Learnt, folder: Path) -> list[Path]:
    from the_experiment.report.tracing import write_tracing

    if isinstance(model.traced, str):
        return []
    return [path.relative_to(folder) for path in write_tracing(model.traced, model.traces)]


def course_figure(models: Sequence[Learnt]) -> Figure:
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
