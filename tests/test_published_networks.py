"""Every network that pyboolnet and CANA carry: read here, and the same next states as theirs.

Not in CI, which doesn't install them: `pip install pyboolnet==3.0.16 cana==1.0.0`, then
`pytest -m real tests/test_published_networks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.networks.network import MOST_COMPONENTS, Network
from the_experiment.worlds.networks.reading import read_network
from the_experiment.worlds.tree import evaluate

pytestmark = pytest.mark.real

STATES = 64  # drawn for each network
Step = Callable[[Mapping[str, int]], Mapping[str, int]]


def carried(package: str, *patterns: str) -> list[Path]:
    """The files of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return []
    folder = Path(spec.origin).parent
    return sorted(path for pattern in patterns for path in folder.rglob(pattern))


def steps_of_pyboolnet(path: Path) -> Step:
    """Its own reading of a `.bnet` file: prime implicants of each component."""
    from pyboolnet.file_exchange import bnet2primes

    primes = bnet2primes(str(path))

    def step(state: Mapping[str, int]) -> Mapping[str, int]:
        return {
            name: int(any(all(state[n] == v for n, v in one.items()) for one in implicants[1]))
            for name, implicants in primes.items()
        }

    return step


def steps_of_cana(path: Path) -> Step:
    """Its own reading of a table; components are in the order of the file.

    It finds regulators by their labels, and takes the last component for all where there are none.
    Its `step` puts regulators into the order of the file, not of the table: see findings/.
    """
    from cana.boolean_network import BooleanNetwork

    text = path.read_text("utf-8")
    if ".l" not in text:
        count = int(text.split(".v ")[1].split()[0])
        labels = "".join(f".l {number} x{number}\n" for number in range(1, count + 1))
        text = text.replace(f".v {count}\n", f".v {count}\n{labels}")
    network = BooleanNetwork.from_string_cnet(text, keep_constants=True)

    def step(state: Mapping[str, int]) -> Mapping[str, int]:
        values = [*state.values()]
        cases = ["".join(str(values[one]) for one in node.inputs) for node in network.nodes]
        return {
            name: int(node.outputs[int(case or "0", 2)])
            for name, node, case in zip(state, network.nodes, cases, strict=True)
        }

    return step


BNETS = carried("pyboolnet", "repository/**/*.bnet")
TABLES = carried("cana", "datasets/cell_collective/*.txt", "datasets/bns/*.cnet")


def next_states(network: Network, states: np.ndarray) -> dict[str, np.ndarray]:
    columns = dict(zip(network.rules, states.T, strict=True))
    return {
        name: (evaluate(tree, columns, len(states)) != 0).astype(int)
        for name, tree in network.rules.items()
    }


@pytest.mark.parametrize(
    ("path", "theirs"),
    [*((path, steps_of_pyboolnet) for path in BNETS), *((path, steps_of_cana) for path in TABLES)],
    ids=lambda one: one.stem if isinstance(one, Path) else "",
)
def test_every_published_network_has_the_same_next_states(
    path: Path, theirs: Callable[[Path], Step]
) -> None:
    network = read_network(path)
    rng = np.random.default_rng(0)
    states = rng.integers(0, 2, (STATES, len(network.rules)))
    step, ours = theirs(path), next_states(network, states)
    for number, state in enumerate(states.tolist()):
        expected = step(dict(zip(network.rules, state, strict=True)))
        found: dict[str, Any] = {name: int(values[number]) for name, values in ours.items()}
        assert found == {name: expected[name] for name in found}
    if len(network.rules) <= MOST_COMPONENTS:
        text = network_world(network)
        assert len(world_from_text(text, path.stem).inputs) == len(network.rules)


def network_world(network: Network) -> str:
    plain, _ = network.with_plain_names()
    return plain.functions().world_text("network", "read in a test")


def test_all_of_them_are_there() -> None:
    assert (len(BNETS), len(TABLES)) == (30, 81)
