"""What README and docs print: commands, links, worlds, and what a command is said to answer."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Command
from the_experiment.cli.printed_flags import as_verbs
from the_experiment.worlds.files import world_from_text
from verbs import VERBS

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
COMMAND = re.compile(r"(?:    |\$ )?(the-experiment (?:.*\\\n)*.*)")
ONE_OF_SEVERAL = re.compile(r"\S+\|\S+")  # `generate|train|test`


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command printed in a text, `generate|train` as two commands."""
    for found in re.finditer(f"^{COMMAND.pattern}$", text, re.MULTILINE):
        line = found[1].replace("\\\n", " ").split(" [", 1)[0].split(" > ", 1)[0]
        several = ONE_OF_SEVERAL.search(line)
        for choice in several[0].split("|") if several else [""]:
            said = line.replace(several[0], choice) if several else line
            yield shlex.split(said, comments=True)[1:]


PRINTED = [words for page in PAGES for words in commands(page.read_text("utf-8"))]
PRINTED += [
    words
    for command in VERBS.values()
    for words in commands((command.epilog or "").replace("\n\n", "\n"))
]


@pytest.mark.parametrize("words", PRINTED, ids=" ".join)
def test_every_printed_command_can_be_called(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verb, options and their values are taken; nothing is run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("model: [one]")  # a `--config` is read with the options
    words = as_verbs(words)
    verb = next(tuple(words[:n]) for n in (2, 1) if tuple(words[:n]) in VERBS)
    VERBS[verb].make_context(" ".join(verb), words[len(verb) :])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_printed_world_is_one(page: Path) -> None:
    for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
        if re.search("^(prompt|programs|questions):", text, re.M):
            assert world_from_text(text, page.name).parts


def test_generate_answers_what_the_readme_prints(the_experiment: Command) -> None:
    shown = re.search(r"^\$ the-experiment (generate .*)\n((?:.+\n)*)", PAGES[0].read_text(), re.M)
    assert shown
    done = the_experiment(*shlex.split(shown[1]), COLUMNS="200")
    assert done.stdout == shown[2]


SMALL = {
    "cells.py": "--cells 20",
    "ensemble.py": "--rounds 1 --members 2 --steps 3",
    "final_quality.py": "--rounds 1 --rows 160 --epochs 1",
    "large_world.py": "--inputs 8 --rows 160",
    "readers.py": "",
    "real_model.py": "--rounds 1 --questions 6",
    "residual_sweep.py": "--rounds 1 --threads 1",
    "scoring.py": "--rounds 1 --threads 1 --rows 160",
    "sweep_cores.py": "--rounds 1 --seeds 1 --rows 160 --jobs 2",
    "train_step.py": "--rounds 1 --threads 1 --steps 7",
    "until_exact.py": "--rounds 1 --threads 1 --rows 160 --epochs 1",
}  # each benchmark, in seconds
SHARED = {"hf_trainer.py", "turns.py"}


def test_every_benchmark_is_tried() -> None:
    assert {path.name for path in (ROOT / "benchmarks").glob("*.py")} == SMALL.keys() | SHARED


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_every_benchmark_prints_figures(name: str, tmp_path: Path) -> None:
    call = [sys.executable, str(ROOT / "benchmarks" / name), *SMALL[name].split()]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"(?m)^(the-experiment +[\d,.]+|  ours +\d+/200|the-experiment generate .* GiB"
        r"|computed .* ms a cell|x \d)",
        done.stdout,
    )
