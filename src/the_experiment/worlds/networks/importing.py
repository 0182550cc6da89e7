"""From a file of another tool to a world file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import sha256, write_text
from the_experiment.base.names import name_from, refuse_no_name
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.language import LONGEST_RULE
from the_experiment.worlds.networks.formulas import text_of
from the_experiment.worlds.networks.network import (
    MOST_COMPONENTS,
    Functions,
    changed,
    plain_names,
    renamed,
)
from the_experiment.worlds.networks.reading import TRUTH_TABLE, read_network, read_truth_table
from the_experiment.worlds.world import World

STEP = (
    "A state is one step of a Boolean network, its completion the next one:\n"
    "all components change at once (synchronously)."
)


@dataclass(frozen=True)
class Imported:
    """A world as it was written, and what was renamed to what."""

    path: Path
    world: World
    renamed: dict[str, str]


def import_world(file: Path, name: str | None = None, only: str | None = None) -> Imported:
    """Write `NAME.yaml`, a world with the rules in a file; of one component with `only`.

    Raises `ExperimentError` for what can't be read, for what can't be a world, and where that file
    is there already.
    """
    name = name or name_from(file.stem, otherwise="imported")
    refuse_no_name("a world", name)
    functions, new_names = _functions(file, only)
    path = Path(f"{name}.yaml")
    if path.exists():
        raise ExperimentError(f"{path} already exists", "choose another name with --as")
    about = [f"Imported from {file.name} (SHA-256 {sha256(file)[:16]}…)."]
    about += [STEP] if file.suffix.lower() != TRUTH_TABLE else []
    about += [f"{name} is called {new} here." for name, new in new_names.items()]
    _refuse_long_rules(functions, file)
    text = functions.world_text(name, "\n".join(about))
    world = world_from_text(text, str(file))
    write_text(path, text)
    return Imported(path, world, new_names)


def _functions(file: Path, only: str | None) -> tuple[Functions, dict[str, str]]:
    if file.suffix.lower() == TRUTH_TABLE:
        if only:
            raise UsageError("--only is for networks", "leave the other columns out of the table")
        return _with_plain_names(read_truth_table(file))
    network, new_names = read_network(file).with_plain_names()
    if only:
        return network.only(new_names.get(only, only)), new_names
    if len(network.rules) > MOST_COMPONENTS:
        raise UsageError(
            f"{file} has {len(network.rules)} components, and a world {MOST_COMPONENTS} at most",
            "take one component with its regulators: --only COMPONENT",
        )
    return network.functions(), new_names


def _with_plain_names(functions: Functions) -> tuple[Functions, dict[str, str]]:
    """The functions with names that a rule can use, and what was renamed to what."""
    plain = plain_names([*functions.inputs, *functions.outputs])
    outputs = {plain[one]: renamed(tree, plain) for one, tree in functions.outputs.items()}
    inputs = [plain[one] for one in functions.inputs]
    return Functions(inputs, outputs), changed(plain)


def _refuse_long_rules(functions: Functions, file: Path) -> None:
    for name, tree in functions.outputs.items():
        characters = len(text_of(tree))
        if characters > LONGEST_RULE:
            raise ExperimentError(
                f"{file}: {name} would be a rule of {characters:,} characters, and one has "
                f"{LONGEST_RULE:,} at most",
                "leave it out, or write it as a world of several rules",
            )
