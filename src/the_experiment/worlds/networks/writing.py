"""Boolean worlds as files of other tools: `.bnet`, and truth tables in CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import write_text
from the_experiment.worlds.networks.formulas import BNET, Truth, formula, text_of
from the_experiment.worlds.networks.network import AGAIN, NEXT
from the_experiment.worlds.networks.reading import MOST_INPUTS
from the_experiment.worlds.rules import RuleWorld
from the_experiment.worlds.world import World

Writer = Callable[[RuleWorld], str]


def export_world(world: World, to: Path) -> None:
    """Write a boolean world as the kind of file that `to` is by its name.

    Raises `UsageError` for a world or file that can't be such, and `ExperimentError` where the file
    is there already.
    """
    writer = WRITERS.get(to.suffix.lower())
    if writer is None:
        raise UsageError(f"{to} is no kind of file to export to", f"one in {', '.join(WRITERS)}")
    if to.exists():
        raise ExperimentError(f"{to} already exists", "choose another name")
    write_text(to, writer(boolean_rules(world)))


def boolean_rules(world: World) -> RuleWorld:
    """The same world, all of whose inputs and rules are true or false.

    Raises `UsageError` for any other.
    """
    if not isinstance(world, RuleWorld):
        raise UsageError(f"world {world.name} has no rules in the rule language")
    numbers = [name for name, domain in world.inputs.items() if not domain.boolean]
    numbers += [name for name, ends in world.output_bounds.items() if ends[0] < 0 or ends[1] > 1]
    if numbers:
        raise UsageError(
            f"world {world.name} is not boolean: {', '.join(numbers)}",
            "name one whose inputs and rules are all true or false",
        )
    return world


def _bnet(world: RuleWorld) -> str:
    """A target for each rule; where all rules are next values of inputs, those are the targets."""
    inputs = [*world.inputs]
    next_value = re.compile(f"(?:{AGAIN})*{NEXT}(.+)")
    found = {name: next_value.fullmatch(name) for name in world.rules}
    targets = {name: match[1] for name, match in found.items() if match}
    if sorted(targets.values()) != sorted(inputs) or len(targets) < len(world.rules):
        targets = {**{name: name for name in inputs}, **{name: name for name in world.rules}}
    formulas = {target: _text(world, name) for name, target in targets.items()}
    order = [*inputs, *(target for target in formulas if target not in world.inputs)]
    return "targets, factors\n" + "".join(f"{one}, {formulas[one]}\n" for one in order)


def _text(world: RuleWorld, name: str) -> str:
    return name if name in world.inputs else text_of(formula(*truth_of(world, name)), BNET)


def truth_of(world: RuleWorld, rule: str) -> tuple[list[str], Truth]:
    """The inputs that change a rule, and where it holds: an axis for each of them.

    Raises `ExperimentError` for a rule that names too many.
    """
    names = world.depends_on(rule)
    if len(names) > MOST_INPUTS:
        raise ExperimentError(
            f"world {world.name}: {rule} reads {len(names)} inputs", f"{MOST_INPUTS} at most"
        )
    states = np.zeros((2 ** len(names), len(world.inputs)), dtype=np.int64)
    cases = np.indices([2] * len(names)).reshape(len(names), len(states))
    states[:, [list(world.inputs).index(name) for name in names]] = cases.T
    truth = world.evaluate(states)[rule].astype(bool).reshape([2] * len(names))
    for axis in reversed(range(len(names))):
        one, other = np.moveaxis(truth, axis, 0)
        if (one == other).all():
            truth, names = one, [*names[:axis], *names[axis + 1 :]]
    return names, truth


def _truth_table(world: RuleWorld) -> str:
    """Inputs, an empty column, rules: a line for each state."""
    if len(world.inputs) > MOST_INPUTS:
        raise ExperimentError(
            f"world {world.name} has {len(world.inputs)} inputs, too many for a truth table",
            f"{MOST_INPUTS} at most; `.bnet` takes more",
        )
    states = world.states()
    outputs = np.stack([*world.evaluate(states).values()], axis=1)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*world.inputs, "", *world.rules])
    for state, output in zip(states.tolist(), outputs.tolist(), strict=True):
        writer.writerow([*state, "", *output])
    return text.getvalue()


WRITERS: dict[str, Writer] = {".bnet": _bnet, ".csv": _truth_table}
