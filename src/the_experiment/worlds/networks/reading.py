"""Boolean networks and truth tables from the files of other tools."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from the_experiment.base.errors import ExperimentError, UsageError, first_line, require_packages
from the_experiment.base.files import read_text
from the_experiment.worlds.networks.formulas import Truth, formula, joined
from the_experiment.worlds.networks.network import Functions, Network
from the_experiment.worlds.tree import Apply, Name, Number, Tree

LONGEST_FILE = 20_000_000  # characters
MOST_INPUTS = 16  # of one truth table

Reader = Callable[[str, str], Network]  # from a file's text, and its name for errors


def read_network(path: Path) -> Network:
    """The Boolean network in a file, with the names that it has there.

    Raises `ExperimentError` for what can't be read, and `UsageError` for a kind of file that
    nothing here reads.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(
            f"{path} is no Boolean network by its name",
            f"one that ends in {', '.join(READERS)}, or a truth table in {TRUTH_TABLE}",
        )
    network = reader(_text(path), str(path))
    if not network.rules:
        raise ExperimentError(f"{path} has no components", "give it a line for each")
    return network


def _text(path: Path) -> str:
    text = read_text(path, LONGEST_FILE)
    if len(text) > LONGEST_FILE:
        raise ExperimentError(f"{path} has more than {LONGEST_FILE:,} characters")
    return text.removeprefix("\ufeff")  # the mark that spreadsheets begin a file with


# -- by biodivine-aeon -----------------------------------------------------------------------------


def _by_aeon(kind: str) -> Reader:
    def read(text: str, where: str) -> Network:
        require_packages("biodivine_aeon", extra="networks")
        import biodivine_aeon

        try:
            network = getattr(biodivine_aeon.BooleanNetwork, f"from_{kind}")(text)
        except Exception as error:  # its own kinds, and whatever a broken file leads to
            raise ExperimentError(f"{where} can't be read: {first_line(error)}") from None
        names = {variable: network.get_variable_name(variable) for variable in network.variables()}
        return Network({name: _rule(network, one, names, where) for one, name in names.items()})

    return read


def _rule(network: Any, variable: Any, names: dict[Any, str], where: str) -> Tree:
    """What a variable of aeon becomes; one that nothing regulates keeps its value."""
    function = network.get_update_function(variable)
    if function is not None:
        return _tree(function, names, f"{where}: the rule of {names[variable]}")
    if network.predecessors(variable):
        raise ExperimentError(
            f"{where}: {names[variable]} has regulators and no rule", "give it one in the file"
        )
    return Name(names[variable])


def _tree(function: Any, names: dict[Any, str], where: str) -> Tree:
    """A function of aeon as our tree."""

    def tree(one: Any) -> Tree:
        if one.is_const():
            return Number(int(one.as_const()))
        if one.is_var():
            return Name(names[one.as_var()])
        if one.is_not():
            return _not(tree(one.as_not()))
        if one.is_param():
            raise ExperimentError(f"{where} has an unknown function in it", "write it out")
        for operator in ("and", "or", "xor"):
            if getattr(one, f"is_{operator}")():
                return joined(operator.upper(), [tree(each) for each in _chain(one, operator)])
        left, right = map(tree, one.as_binary()[1:])
        if one.is_imp():
            return Apply("OR", (_not(left), right))
        return _not(Apply("XOR", (left, right)))  # if and only if

    return tree(function)


def _chain(function: Any, operator: str) -> list[Any]:
    """What the operator stands between, in its order: aeon nests `a & b & c` to any depth."""
    found, waiting = [], [function]
    while waiting:
        one = waiting.pop()
        parts = getattr(one, f"as_{operator}")()
        if parts is None:
            found.append(one)
        else:
            waiting += reversed(parts)
    return found


def _not(tree: Tree) -> Tree:
    return Apply("NOT", (tree,))


# -- tables of CANA and the Cell Collective --------------------------------------------------------


def _cnet(text: str, where: str) -> Network:
    """`.v COUNT`, `.l NUMBER LABEL`, then `.n NUMBER REGULATORS …` with a line for each case."""
    labels: dict[int, str] = {}
    heads: dict[int, list[int]] = {}
    cases: dict[int, list[tuple[str, str]]] = {}
    count, current = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        try:
            if not words:
                continue
            if words[0] == ".e":
                break
            if words[0] == ".v":
                count = int(words[1])
            elif words[0] == ".l":
                labels[int(words[1])] = " ".join(words[2:])
            elif words[0] == ".n":
                current, degree, *regulators = map(int, words[1:])
                if current in heads or degree != len(regulators):
                    raise ValueError
                heads[current], cases[current] = regulators, []
            else:
                cases[current].append((" ".join(words), f"{where}, line {number}"))
        except (ValueError, IndexError, KeyError):
            raise ExperimentError(
                f"{where}, line {number}: not understood: {line.strip()!r}"
            ) from None
    names = {one: labels.get(one, f"x{one}") for one in range(1, count + 1)}
    unknown = {*heads, *itertools.chain(*heads.values())} - names.keys()
    if unknown or len({*names.values()}) < count:
        what = f"no component has the number {min(unknown)}" if unknown else "two share a label"
        raise ExperimentError(f"{where}: {what}")
    return Network(
        {
            name: _by_cases(name, [names[r] for r in heads.get(one, [])], cases.get(one, []), where)
            for one, name in names.items()
        }
    )


def _by_cases(
    name: str, regulators: Sequence[str], cases: Sequence[tuple[str, str]], where: str
) -> Tree:
    """A component's rule; one without regulators is constant, or keeps its value without a case."""
    if not regulators:
        return _constant(*cases[0]) if cases else Name(name)
    _refuse_wide(f"{where}: {name}", len(regulators))
    rows = []
    for line, place in cases:
        case, _, value = line.partition(" ")
        if len(case) != len(regulators) or {*case} - {*"01-"} or value not in ("0", "1"):
            raise ExperimentError(f"{place}: {line!r} is no case of {len(regulators)} regulators")
        rows.append((case, [int(value)], place))
    (truth,) = _filled(len(regulators), 1, rows, f"{where}: {name}")
    return formula(regulators, truth)


def _constant(value: str, place: str) -> Tree:
    if value not in ("0", "1"):
        raise ExperimentError(f"{place}: {value!r} is neither 0 nor 1")
    return Number(int(value))


# -- truth tables ----------------------------------------------------------------------------------

TRUTH_TABLE = ".csv"


def read_truth_table(path: Path) -> Functions:
    """The functions in a CSV file: columns of inputs, an empty one, columns of outputs.

    Without an empty column the last one is the output. Raises `ExperimentError` with the line for a
    state that comes twice, and names one that is missing.
    """
    lines = [*enumerate(csv.reader(_text(path).splitlines()), 1)]
    filled = [(number, line) for number, line in lines if any(line)]
    if not filled:
        raise ExperimentError(f"{path} is empty")
    (first, names_line), *filled = filled
    heads = [head.strip() for head in names_line]
    middle = heads.index("") if "" in heads else len(heads) - 1
    columns = [*range(middle), *range(middle + (not heads[middle]), len(heads))]
    inputs, outputs = heads[:middle], [heads[one] for one in columns[middle:]]
    names = [*inputs, *outputs]
    if not (inputs and outputs and all(names)) or len({*names}) < len(names):
        raise ExperimentError(
            f"{path}, line {first}: a column needs a name of its own, in and out",
            "such as `A,B,,both`: inputs, an empty column, outputs",
        )
    _refuse_wide(str(path), len(inputs))
    rows = []
    for number, line in filled:
        values = [line[one].strip() if one < len(line) else "" for one in columns]
        if {*values} - {"0", "1"} or len(line) > len(heads):
            raise ExperimentError(f"{path}, line {number}: give 0 or 1 in each named column")
        case, values = "".join(values[:middle]), values[middle:]
        rows.append((case, [int(value) for value in values], f"{path}, line {number}"))
    tables = _filled(len(inputs), len(outputs), rows, str(path))
    found = [formula(inputs, truth) for truth in tables]
    return Functions(inputs, dict(zip(outputs, found, strict=True)))


def _filled(
    inputs: int, outputs: int, rows: Iterable[tuple[str, list[int], str]], where: str
) -> Iterator[Truth]:
    """The truth table of each output, from cases with `-` where either value is meant."""
    table = np.full((outputs, *[2] * inputs), -1, dtype=np.int8)
    for case, values, place in rows:
        corner = (slice(None), *[slice(None) if one == "-" else int(one) for one in case])
        there = table[corner].reshape(outputs, -1)
        given = np.array(values, dtype=np.int8)[:, None]
        twice = "-" not in case and (there >= 0).all()
        if twice or ((there >= 0) & (there != given)).any():
            raise ExperimentError(f"{place}: the state {case} was given before")
        table[corner] = given.reshape(outputs, *[1] * (table[corner].ndim - 1))
    missing = np.argwhere(table[0] < 0)
    if len(missing):
        state = "".join(map(str, missing[0]))
        raise ExperimentError(
            f"{where}: the state {state} is missing, and {len(missing) - 1} others", "add it"
        )
    return iter(table.astype(bool))


def _refuse_wide(where: str, inputs: int) -> None:
    if inputs > MOST_INPUTS:
        raise ExperimentError(
            f"{where}: a truth table of {inputs} inputs",
            f"{MOST_INPUTS} at most; write it as a rule",
        )


READERS: dict[str, Reader] = {
    ".bnet": _by_aeon("bnet"),
    ".aeon": _by_aeon("aeon"),
    ".sbml": _by_aeon("sbml"),
    ".xml": _by_aeon("sbml"),
    ".cnet": _cnet,
    ".txt": _cnet,
}
