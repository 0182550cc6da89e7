#!/usr/bin/env bash
# math-verify 0.8.0 reads numbers as a typesetter or a person writes them as other numbers, or not.
#
# A thousands mark that is a narrow no-break space (French and ISO style) leaves the last group: 0
# for one thousand; an ordinary space is read rightly. LaTeX's comma, `9{,}500`, is nine and a half
# thousand in a box and nine between a dollar sign and a full stop. An en dash before a number
# leaves nothing, and a minus in words is dropped. Right answers are scored as wrong, and "minus 5"
# as right where the answer is 5. What was read on 2026-11-29 stands in SEEN.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q math-verify==0.8.0 latex2sympy2-extended==1.10.2 \
    sympy==1.14.0 antlr4-python3-runtime==4.13.2

"$place/env/bin/python" - <<'PYTHON'
from importlib.metadata import version

from math_verify import parse

print("math-verify", version("math-verify"))
SEEN = {
    "1 000": "1000",
    "1\u202f000": "0",
    "\\boxed{9{,}500}": "9500",
    "The answer is $9{,}500.": "9",
    "-5": "-5",
    "\u20135": None,
    "The answer is minus 5.": "5",
}
for text, expected in SEEN.items():
    found = parse(text)
    read = str(found[0]) if found else None
    print(f"{text!r:32} {read}")
    assert read == expected, (text, read, expected)
PYTHON
