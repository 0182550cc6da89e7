#!/usr/bin/env bash
# CANA 1.0.0 reads a .cnet file without labels as if every component were regulated by the last one.
#
# Labels (`.l NUMBER NAME`) are optional in the format, and the seven .cnet files that CANA carries
# have none: their names stand in comments. Regulators are found again by name, and all names are
# empty, so that each is taken for the last component. The networks load without a word; of the 13
# steady states that the fission yeast's file lists, none is one then, and with labels put in
# (nothing else changed) all 13 are. What came out on 2026-11-30 stands in SEEN.
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

file = Path(cana.__file__).parent / "datasets" / "bns" / "fission_yeast.cnet"
text = file.read_text()
steady = re.findall(r"(?m)^# ([01]{10})\s*$", text)
labels = "".join(f".l {number} x{number}\n" for number in range(1, 11))


def read(text):
    """The regulators it finds, and how many of the listed states stay as they are."""
    network = BooleanNetwork.from_string_cnet(text)
    found = {regulator for node in network.nodes for regulator in node.inputs}
    return sorted(found), sum(network.step(state) == state for state in steady)


without, with_labels = read(text), read(text.replace(".v 10\n", f".v 10\n{labels}"))
print("cana", version("cana"), "| regulators, steady states kept:", without, with_labels)
SEEN = (([9], 0), 13)
assert (without, with_labels[1]) == SEEN and len(steady) == 13, (without, with_labels, len(steady))
PYTHON
