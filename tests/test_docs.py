"""Every command and snippet that README and docs print is run, in its order, page by page.

All that takes long is made small (`small.py`). Models of the hub are folders of the same name; an
endpoint is a server on loopback.
"""

from __future__ import annotations

import os
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest

from fake_endpoint import KEY, fake_endpoint
from looked_into import random_model
from test_printed import ONE_OF_SEVERAL, ROOT
from test_tracing import answering
from the_experiment.data.tokenizer import character_tokenizer

LINE = r"^(?:    |\$ )((?:the-experiment|printf|python) (?:.*\\\n)*.*)$"
FENCE = r"^```(bash|python)\n(.*?)^```$"
NOT_RUN = ("pip ", "python -m pytest", "python -m venv")  # CI does the first two before any test
SMALLER = [  # of what the words themselves ask for
    (r"--seeds 1-5", "--seeds 1,2"),
    (r"--count \d+", "--count 60"),
    (r"--num-seqs \d+", "--num-seqs 3"),
    (r"--epochs \d+", "--epochs 1"),
    (r"--draw \d\d+", "--draw 40"),
    (r"head -n \d+|tail -n \d+", r"head -n 20"),
    (r"(questions run .*) --model", r"\1 --limit 8 --model"),
    (r"fraction=0\.1\.\.0\.9:0\.1", "fraction=0.3..0.5:0.2"),
    (r"--hold-out each-state ", ""),
    (r"the-experiment models fetch .*", "true"),  # a network
    (r" --executor ray( --address \S+)?", ""),  # an extra: tests/test_cluster.py
]
BEFORE = {  # what a page supposes was done before
    "README": [],
    "inside": [
        "the-experiment generate --hold-out-fraction 0.1875",
        "the-experiment train gpt2",
        "the-experiment train gpt2 --name gpt2-1",
    ],
    "programs": [
        "the-experiment generate --world binding",
        "the-experiment train gpt2 --name binding4c",
    ],
    "results": [
        "the-experiment questions list arithmetic --draw 20 > seen.jsonl",
        "the-experiment train gpt2 --dataset seen.jsonl --name questions-1",
    ],
    "reproducibility": ["the-experiment generate"],
    "networks": [
        "the-experiment worlds export mammalian-cell-cycle cellcycle.bnet",
        r"printf '.v 1\n.n 1 1 1\n1 0\n0 1\n' > thelper.cnet",
    ],
}
REPLY = (
    "<think>\nIt is so.\n<causality>\nSo it follows.\n</causality>\n</think>\nyes"  # an endpoint's
)
HUB = ("Qwen/Qwen3-0.6B", "Qwen/Qwen2.5-0.5B", "smollm2")


def script(page: Path) -> str:
    """What the page prints, as lines of a shell; snippets are files that Python runs."""
    text = page.read_text("utf-8")
    found = [(one.start(), "bash", one[1]) for one in re.finditer(LINE, text, re.M)]
    found += [(one.start(), one[1], one[2]) for one in re.finditer(FENCE, text, re.M | re.S)]
    lines = list(BEFORE.get(page.stem, []))
    for place, kind, said in sorted(found):
        if kind == "python":
            lines.append(f"cat > snippet-{place}.py <<'END'\n{said}\nEND")
            lines.append(f"small-python snippet-{place}.py")
        elif not said.startswith(NOT_RUN):
            lines += [each for line in said.split("\n\n") for each in _choices(line)]
    return "\n".join(lines) + "\n"


def _choices(line: str) -> list[str]:
    """`generate|train` as two lines."""
    several = ONE_OF_SEVERAL.search(line)
    if not several or not line.startswith("the-experiment") or "'" in several[0]:
        return [line]
    return [line.replace(several[0], one) for one in several[0].split("|")]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = [page for page in PAGES if page.stem != "log" and len(script(page)) > 1]


@pytest.mark.docs
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_all_that_a_page_prints_runs(page: Path, tmp_path: Path) -> None:
    lines = script(page)
    for words, fewer in SMALLER:
        lines = re.sub(words, fewer, lines)
    if page.stem == "tracing":
        lines = on_a_model_that_binds(lines, tmp_path)
    for name in HUB:
        if name in lines:
            hub_model(tmp_path / name)
    for stub in ("the-experiment", "small-python"):
        file = tmp_path / "bin" / stub
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/small.py "$@"\n')
        file.chmod(0o755)
    with fake_endpoint(answer=lambda *_: [[(REPLY, 1.0)]]) as endpoint:
        lines = lines.replace("http://127.0.0.1:8000", endpoint.address.removesuffix("/v1"))
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", lines],
            cwd=tmp_path,
            env={
                **os.environ,
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "OPENAI_API_KEY": KEY,
                "OPENAI_BASE_URL": endpoint.address,
                "HF_HUB_OFFLINE": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"


def on_a_model_that_binds(lines: str, folder: Path) -> str:
    """The same on programs of two lines and a model solved for them: to train one takes minutes."""
    answering("gpt2", folder / "binds")
    for printed, run in {
        "--model tiny-gpt2-ordered": "--model binds",
        '"tiny-gpt2-ordered"': '"binds"',
        "--model Qwen/Qwen3-0.6B": "--model binds",
        "--lengths 5": "--lengths 2",
        "--hops 1-2": "--hops 1",
        "seq_len=5": "seq_len=2",
        r"a=2\nb=a\nc=5\nd=b\ne=c\n#d:": r"x = 2\ny = x\n#y:",
        r"a = 7\nb = a\n#b:": r"x = 4\ny = x\n#y:",
    }.items():
        assert printed in lines
        lines = lines.replace(printed, run)
    return lines


def hub_model(folder: Path) -> None:
    """A random model with room for texts of any page, in a folder named like one of the hub."""
    tokenizer = character_tokenizer(string.printable + "←→")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    model = random_model("qwen3", len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
