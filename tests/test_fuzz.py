"""Ten thousand damaged inputs a run: only `ExperimentError` comes out, and nothing hangs."""

from __future__ import annotations

import random
import signal
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from the_experiment.base.errors import ExperimentError
from the_experiment.cli import main
from the_experiment.data.holdout import HoldOut
from the_experiment.worlds import World, find_world
from the_experiment.worlds.files import NEW_WORLD, world_from_text

SEED = 0
PROMPTS, CONDITIONS, WORLD_FILES, NOISE, CALLS = 4_000, 2_500, 2_500, 1_000, 75
ASKED = 60  # of trained models
LONGEST_SECONDS = 1.0  # of processor time: a busy machine is no failure

ODD = ["\0", "\n", "\t", "é", "１", "\u2028", "\udcff", "😀", "%", "{", "}", "[/]", "--", "\\", "'"]
WORDS = ["A", "X", "r", "NOT", "and", "Or", "^", "if", "ELSE", "min(", "abs(", ")", "(", "//", "%"]
WORDS += ["*", "==", "<", "+", "-", "0", "1", "9", "99999999999", "4611686018427387904", ",", " "]
YAML = ["name: ", "inputs: ", "rules: ", "bool", "0..9", "-3..3", "0..99999999", "*a", "&a ", "- "]
YAML += [
    "? ",
    ": ",
    "!!int ",
    "|\n",
    ">\n",
    "---\n",
    "...\n",
    '"',
    "#",
    "\n  ",
    "\n\t",
    "{A}",
    "}}",
    "[",
    "]",
    '"\\U00110000"',
]

Random = random.Random


@contextmanager
def soon() -> Iterator[None]:
    """Raise `TimeoutError` in the block once it has used too much processor time."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def hold_out(world: World, states: str | None, where: str | None = None) -> None:
    HoldOut.parse(states, where=where).resolve(world, SEED)


def damaged(draw: Random, text: str, pieces: list[str]) -> str:
    """The text after a few cuts, copies and insertions."""
    for _ in range(draw.randint(1, 4)):
        start = draw.randint(0, len(text))
        end = min(len(text), start + draw.choice((0, 0, 1, 1, 3, 20)))
        piece = draw.choice(
            (
                "",
                draw.choice(pieces),
                draw.choice(ODD),
                draw.choice(string.printable),
                text[start:end] * 2,
                text[end : end + 9],
            )
        )
        text = text[:start] + piece + text[end:]
    return text


def noise(draw: Random, pieces: list[str]) -> str:
    return "".join(draw.choice([*pieces, *ODD]) for _ in range(draw.randint(0, 30)))


def refused_or_done(call: Callable[[], object], given: object) -> bool:
    """Whether the call was refused. Anything but an `ExperimentError` fails, told with `given`."""
    try:
        with soon():
            call()
    except ExperimentError as error:
        return bool(str(error))
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error} out of {given!r}")
    return False


def test_sequences() -> None:
    draw = Random(SEED)
    worlds = [find_world(name) for name in ("causal", "modular", "relay")]
    refused = 0
    for _ in range(PROMPTS):
        world = draw.choice(worlds)
        prompt = world.prompts(world.states_at(world.numbers()[[draw.randrange(world.size)]]))[0]
        text = damaged(draw, prompt, [*WORDS, ";", "0,", ","])
        if draw.random() < 0.1:
            text = text * draw.randint(2, 3_000)
        refused += refused_or_done(partial(world.answer, text), text)
        refused_or_done(partial(hold_out, world, text), text)
    assert PROMPTS / 2 < refused < PROMPTS


def test_the_verb_test(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = Random(SEED)
    codes = set()
    for _ in range(ASKED):
        text = damaged(draw, "011", ["0", "1", ",", *ODD]).replace("\0", "")
        with pytest.raises(SystemExit) as ended:
            main(["test", text, "--out", str(trained)])
        said = capsys.readouterr()
        assert ended.value.code in (0, None, 2), text
        assert "Traceback" not in said.out + said.err
        codes.add(ended.value.code)
    assert len(codes) == 2


def test_conditions() -> None:
    draw = Random(SEED)
    world = world_from_text(NEW_WORLD.format(name="fuzz").replace("both", "r"), "fuzz")
    valid = ["A AND X > 3", "NOT (r XOR B) OR X % 2 == 1", "min(X, 3) * 2 if A else abs(-X)"]
    refused = 0
    for _ in range(CONDITIONS):
        where = (
            noise(draw, WORDS) if draw.random() < 0.3 else damaged(draw, draw.choice(valid), WORDS)
        )
        refused += refused_or_done(partial(hold_out, world, None, where), where)
    assert CONDITIONS / 2 < refused < CONDITIONS


def test_world_files() -> None:
    draw = Random(SEED)
    valid = [find_world(name).source for name in ("causal", "modular", "relay")]
    valid.append(NEW_WORLD.format(name="fuzz"))
    refused = 0
    for _ in range(WORLD_FILES):
        text = damaged(draw, draw.choice(valid), [*WORDS, *YAML])
        refused += refused_or_done(partial(world_from_text, text, "fuzz"), text)
    assert WORLD_FILES / 3 < refused < WORLD_FILES


def test_noise_as_world_files() -> None:
    draw = Random(SEED)
    for _ in range(NOISE):
        text = noise(draw, [*WORDS, *YAML])
        text *= draw.choice((1, 1, 1, 100))
        assert refused_or_done(partial(world_from_text, text, "fuzz"), text)


def test_calls_end_with_an_exit_code_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw = Random(SEED)
    (tmp_path / "mine.yaml").write_text(NEW_WORLD.format(name="mine"))
    (tmp_path / "torn.yaml").write_text("name: {")
    words = ["generate", "worlds", "list", "show", "check", "new", "mine.yaml", "torn.yaml"]
    words += [
        "causal",
        "-w",
        "-o",
        "--hold-out-where",
        "--hold-out-fraction",
        "--seed",
        "--out",
        "--json",
    ]
    words += ["--generate", "--help", "-h", "0.5", "1", "-1", "", "1,0,1,0,1", "A", "A AND", "[/]"]
    frame = ["generate", "--train-size", "9", "--valid-size", "1", "--test-size", "1"]
    codes = set()
    for _ in range(CALLS):
        start = draw.choice([[], frame, frame, ["worlds"], ["worlds", "show"], ["worlds", "check"]])
        call = [*start, *(draw.choice(words) for _ in range(draw.randint(0, 4)))]
        if draw.random() < 0.3:
            call.append(damaged(draw, draw.choice(words), WORDS).replace("\0", ""))
        with pytest.raises(SystemExit) as ended:
            main(call)
        said = capsys.readouterr()
        assert ended.value.code in (None, 0, 1, 2), call
        assert "Traceback" not in said.err, call
        assert said.out or said.err, call
        codes.add(ended.value.code)
    assert codes >= {0, 1, 2}
