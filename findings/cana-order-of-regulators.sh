#!/usr/bin/env bash
# CANA 1.0.0 steps a network wrongly where a table names regulators in another order than the file.
#
# A truth table in the .cnet format names a component's regulators, then has a line for each case of
# them. `BooleanNode.outputs` keeps the table in that order; `BooleanNetwork.step` looks it up with
# the regulators in the order of the file's components. Nothing is said. Of the networks that CANA
# carries, the lac operon, flower morphogenesis, both T cell ones and the fly's segments are affected:
# of the ten steady states that the flower's file lists, two are no longer steady. What came out on
# 2026-11-30 stands in SEEN.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q cana==1.0.0
"$place/env/bin/python" - <<'PYTHON'
import re
from importlib.metadata import version
from pathlib import Path

import cana
from cana.boolean_network import BooleanNetwork

TWO = """.v 3
.l 1 a
.l 2 b
.l 3 both
.n 1 1 1
0 0
1 1

.n 2 1 2
0 0
1 1

.n 3 2 {regulators}
10 1
11 0
01 0
00 0
"""


def third(regulators, state):
    """What the third component becomes: 1 where the first named is 1 and the second 0."""
    return BooleanNetwork.from_string_cnet(TWO.format(regulators=regulators)).step(state)[2]


sorted_, other = third("1 2", "100"), third("2 1", "010")
print("cana", version("cana"), "regulators `1 2` in 100:", sorted_, "| `2 1` in 010:", other)

file = Path(cana.__file__).parent / "datasets" / "bns" / "arabidopsis.cnet"
text = file.read_text()
steady = re.findall(r"(?m)^# ([01]{15})\s*$", text)
labels = "".join(f".l {number} x{number}\n" for number in range(1, 16))
network = BooleanNetwork.from_string_cnet(text.replace(".v 15\n", f".v 15\n{labels}"))
kept = sum(network.step(state) == state for state in steady)
print(f"steady states that the file lists: {len(steady)}; that stay: {kept}")
SEEN = ("1", "0", 10, 8)
assert (sorted_, other, len(steady), kept) == SEEN, (sorted_, other, len(steady), kept)
PYTHON
