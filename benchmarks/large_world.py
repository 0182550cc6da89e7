"""A world of a million states, half of them held out: seconds and memory of each verb.

    python benchmarks/large_world.py

Twenty boolean inputs, ten rules. `generate` writes the rows and every held-out state; `train` a
small GPT-2 for one epoch; `compare` grades it beside all baselines; `sweep` does all of that for
the CNN. Beside it a few lines of NumPy that draw the same share of the states, compute the rules
and write the held-out states as text, without JSON, checks or a manifest.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RULES = {
    "newA": "B",
    "newB": "A AND C",
    "newC": "D OR E",
    "newD": "F XOR G",
    "newE": "NOT H",
    "newF": "A AND (B OR C)",
    "newG": "D",
    "newH": "E AND F",
    "newI": "G XOR H",
    "newJ": "A OR (B AND C) OR D",
}
IN_NUMPY = """
import numpy as np
n = INPUTS
states = (np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1
held = np.random.default_rng(0).permutation(2**n)[: 2**n // 2]
A, B, C, D, E, F, G, H = states[np.sort(held)].T[:8]
rules = [B, A & C, D | E, F ^ G, 1 - H, A & (B | C), D, E & F, G ^ H, A | (B & C) | D]
np.savetxt("numpy.txt", np.column_stack([states[np.sort(held)], *rules]), fmt="%d", delimiter="")
"""


def world(inputs: int) -> str:
    """The text of a world of so many boolean inputs, eight or more, which eight are read of."""
    names = [chr(ord("A") + number) for number in range(inputs)]
    lines = [f"  {name}: {rule}" for name, rule in RULES.items()]
    return "\n".join(
        [
            "name: large",
            f"inputs: {{{', '.join(f'{name}: bool' for name in names)}}}",
            "rules:",
            *lines,
            f'prompt: "{"".join(f"{{{name}}}" for name in names)}"',
            f'completion: "={"".join(f"{{{name}}}" for name in RULES)}\\n"',
            "",
        ]
    )


def measured(name: str, call: list[str], folder: Path) -> None:
    """Run a program to its end, and print what it took."""
    began = time.perf_counter()
    child = subprocess.Popen(call, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{name} failed")
    seconds, most = time.perf_counter() - began, used.ru_maxrss / 2**20
    print(f"{name:24} {seconds:8.1f} s {most:8.2f} GiB", flush=True)


def main() -> None:
    """Run the verbs one after the other."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--inputs", type=int, default=20)
    options.add_argument("--rows", type=int, default=20_000)
    given = options.parse_args()
    ours = [sys.executable, "-m", "the_experiment"]
    small = ["--width", "16", "--layers", "1", "--heads", "1", "--epochs", "1"]
    rows = ["--train-size", str(given.rows)]
    cnn = ["--model", "cnn", "--seeds", "1", "--epochs", "1", "--jobs", "1", *rows]
    print(f"{platform.machine()}, {2**given.inputs:,} states, half of them held out")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "large.yaml").write_text(world(given.inputs))
        of_world = ["--world", "large.yaml"]
        half = ["--hold-out-fraction", "0.5"]
        numpy = IN_NUMPY.replace("INPUTS", str(given.inputs))
        measured("NumPy alone", [sys.executable, "-c", numpy], folder)
        measured("the-experiment generate", [*ours, "generate", *of_world, *half, *rows], folder)
        measured("train", [*ours, "train", "gpt2", *small], folder)
        measured("compare", [*ours, "compare"], folder)
        swept = [*ours, "sweep", *of_world, "--hold-out", "fraction=0.5", *cnn]
        measured("sweep", swept, folder)
    print(f"most of any: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
