"""World files: each wrong one is refused with file, key, place and what is wrong."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Command
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import LONGEST_TEXT
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split
from the_experiment.report.summaries import dataset_summary
from the_experiment.worlds.files import read_world, world_from_text, write_new_world

RIGHT = """\
name: right
inputs: {A: bool, B: bool, X: 0..9}
rules:
  r: A AND B
  s: X + r
prompt: "{A},{B},{X}"
completion: "{r} {s}"
"""


def refusal(text: str) -> str:
    """What a wrong world file is refused with."""
    with pytest.raises(ExperimentError) as caught:
        world_from_text(text, "mine.yaml")
    return caught.value.what


def changed(old: str, new: str) -> str:
    assert RIGHT.count(old) == 1
    return RIGHT.replace(old, new)


def test_the_right_file_is_read() -> None:
    assert world_from_text(RIGHT, "mine.yaml").answer("1,1,9") == "1 10"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # names
        ("A AND B", "A AND C", "rules.r, column 7: unknown name 'C'; known are A, B, X, r, s"),
        ("A AND B", "a AND B", "rules.r, column 1: unknown name 'a'"),
        (
            '"{A},{B},{X}"',
            '"{A},{B},{Y}"',
            "prompt, column 10: unknown name 'Y'; known are A, B, X",
        ),
        ('"{A},{B},{X}"', '"{A},{B},{X},{r}"', "prompt, column 14: unknown name 'r'"),
        ("{r} {s}", "{r} {1 + t}", "completion, column 10: unknown name 't'"),
        ("r: A", "if: A", "rules.if, line 4, column 3: if is a word of the rule language"),
        (
            "{A: bool",
            "{Max: bool",
            "inputs.Max, line 2, column 10: Max is a word of the rule language",
        ),
        ("r: A", "r-1: A", "rules.r-1, line 4, column 3: a name has letters, digits and _ only"),
        ("r: A", "é: A", "rules.é, line 4, column 3: a name has letters"),
        ("{A: bool", "{1: bool", "inputs.1, line 2, column 10: a name has letters"),
        ("{A: bool", "{1A: bool", "digits and _ only, and begins with a letter or _"),
        ("r: A", '"": A', "rules., line 4, column 3: a name has letters"),
        # circles
        ("A AND B", "r", "rules.r, column 1: a circle: r → r"),
        ("A AND B", "A OR s > 4", "a circle: r → s → r"),
        ("r: A AND B", "r: A OR t\n  t: u\n  u: A + r", "a circle: r → t → u → r"),
        # duplicates
        ("  s: X", "  r: X", "rules.r, line 5, column 3: duplicate"),
        ("X: 0..9", "A: 0..9", "inputs.A, line 2, column 28: duplicate"),
        ("rules:", "name: again\nrules:", "name, line 3, column 1: duplicate"),
        (
            "  s: X",
            "  A: X",
            "rules.A, line 5, column 3: duplicate: an input has that name already",
        ),
        # division
        ("X + r", "6 // X", "rules.s, column 3: division by zero where A=0, B=0, X=0"),
        ("X + r", "1 % (X - r - 8)", "rules.s, column 3: division by zero where A=0, B=0, X=8"),
        ("{r} {s}", "{r} {X % A}", "completion, column 8: division by zero where A=0, B=0, X=0"),
        ("{A},{B},{X}", "{A},{B},{X},{1 // B}", "prompt, column 16: division by zero where A=0"),
        ("X + r", "r AND 6 // (r - 1)", "rules.s, column 9: division by zero where A=1, B=1, X=0"),
        # prompts
        (
            "{A},{B},{X}",
            "{A},{B}",
            "prompt, line 6, column 1: two states have the prompt '0,0': A=0, B=0, X=0 and",
        ),
        ("{A},{B},{X}", "{A + B},{X}", "two states have the prompt '1,0': A=0, B=1, X=0 and A=1"),
        ("{A},{B},{X}", "", "prompt, line 6, column 1: two states have the prompt ''"),
        # texts
        (
            "{A},{B},{X}",
            "{A},{B},{X",
            "prompt, column 9: a lone '{'; write it twice, or close it with '}'\n",
        ),
        ("{A},{B},{X}", "{A},{B},{X}}", "prompt, column 12: a lone '}'; write it twice\n"),
        ("{r} {s}", "{} {s}", "completion, column 2: the rule is empty"),
        ("{r} {s}", "{r} {s s}", "completion, column 8: 's' is unexpected here"),
        ("{r} {s}", "plain", "completion, line 7, column 1: writes no part"),
        ("{r} {s}", "{s}{r}", "completion, column 1: the end of s is ambiguous"),
        ("{r} {s}", "{r} {s}0", "completion, column 5: the end of s is ambiguous"),
        ("{r} {s}", r"{r} {s}\ud800", "completion, line 7, column 13: half a surrogate pair"),
        # rules
        ("A AND B", "", "rules.r, column 1: the rule is empty"),
        ("A AND B", "A AND", "rules.r, column 6: the rule ends too early"),
        ("A AND B", "A && B", "rules.r, column 3: '&' is not part of the language"),
        ("A AND B", "[A, B]", "rules.r, line 4, column 3: should be text, not a list or keys"),
        ("A AND B", "{A: B}", "rules.r, line 4, column 3: should be text"),
        # ranges
        ("0..9", "9..0", "inputs.X, line 2, column 28: the range 9..0 is empty"),
        ("0..9", "0-9", "inputs.X, line 2, column 28: '0-9' is neither bool nor an integer range"),
        ("0..9", "0..9.5", "inputs.X, line 2, column 28: '0..9.5' is neither"),
        ("0..9", "", "inputs.X, line 2, column 28: '' is neither"),
        ("0..9", "int", "inputs.X, line 2, column 28: 'int' is neither"),
        ("0..9", "0..4294967296", "inputs.X, line 2, column 28: more than 2^32 values"),
        (
            "X: 0..9",
            ", ".join(f"X{i or ''}: bool" for i in range(61)),
            "inputs, line 2, column 1: more than 2^62 states",
        ),
        # what does not fit 64 bits
        ("X + r", "(X + 1) * 4611686018427387904", "rules.s, line 5, column 3: values up to"),
        ("{r} {s}", "{r} {X * 4611686018427387904}", "completion, column 5: values up to"),
        ("X + r", "9999999999999999999", "rules.s, column 1: the number is too large"),
        # keys
        (
            "rules:",
            "ruels:",
            "ruels, line 3, column 1: unknown key; known are name, inputs, rules, prompt",
        ),
        ("name: right\n", "", "name: this key is missing"),
        (
            "name: right",
            "name: right\nauthor: me",
            "author, line 2, column 1: unknown key; known are name, inputs",
        ),
        ("name: right", "name: two words", "name, line 1, column 1: letters, digits"),
        ("name: right", "name: ../../etc", "name, line 1, column 1: letters, digits"),
        ("name: right", "name: {a: b}", "name, line 1, column 1: should be text"),
        (
            "name: right",
            "? [a]\n: b\nname: right",
            "file, line 1, column 3: a key should be",
        ),
        (
            "{A: bool, B: bool, X: 0..9}",
            "{}",
            "inputs, line 2, column 1: a world needs at least one input",
        ),
        (
            "{A: bool, B: bool, X: 0..9}",
            "A, B",
            "inputs, line 2, column 1: should be keys with values",
        ),
        (
            "{A: bool, B: bool, X: 0..9}",
            "[A, B]",
            "inputs, line 2, column 1: should be keys with values",
        ),
        ("r: A AND B", "? {a: b}\n  : A", "rules, line 4, column 5: a key should be a name"),
    ],
)
def test_refused_with_key_place_and_what(old: str, new: str, says: str) -> None:
    told = refusal(changed(old, new))
    assert told.startswith("mine.yaml: ")
    assert says in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "mine.yaml: file: should be keys with values"),
        ("just words", "mine.yaml: "),
        ("- a\n- b", "mine.yaml: file: should be keys with values"),
        ("name: right\ninputs: {A: bool", "mine.yaml, line 2, column 17: expected ',' or '}'"),
        ('name: "right\ninputs:', "mine.yaml, line 2, column 8: found unexpected end of stream"),
        ("\tname: right", "mine.yaml, line 1, column 1: found character '\\t'"),
        ("name: right\nrules:\n\tr: A", "mine.yaml, line 3, column 1: found character '\\t'"),
        (RIGHT + "---\n" + RIGHT, "mine.yaml, line 8, column 1: but found another document"),
        ('name: "\\U00110000"', "mine.yaml: invalid YAML (chr()"),
        ('name: "\\UFFFFFFFF"', "mine.yaml: invalid YAML ("),
        ("name: \0", "mine.yaml: invalid YAML"),
        ("[" * 5_000, "mine.yaml, line 1, column 21: lists or keys nested too deeply"),
        ("{a: " * 5_000, "mine.yaml, line 1, column 78: lists or keys nested too deeply"),
        ("a: &a {b: *a}", "mine.yaml, line 1, column 11: no aliases"),
        ("#" * (LONGEST_TEXT + 1), "mine.yaml: file: has more than 100,000 characters"),
    ],
)
def test_what_is_no_world_at_all_is_refused_with_its_place(text: str, says: str) -> None:
    assert says in refusal(text)


def test_a_billion_laughs_are_refused_at_once() -> None:
    levels = [
        f"a{level}: &a{level} {{{', '.join(f'k{i}: *a{level - 1}' for i in range(10))}}}"
        for level in range(1, 10)
    ]
    assert "no aliases" in refusal("\n".join(["a0: &a0 {lol: lol}", *levels]))


def test_the_column_is_pointed_at() -> None:
    told = refusal(changed("A AND B", '"A AND\\tC"'))
    *_, rule, arrow = told.splitlines()
    assert rule[arrow.index("^")] == "C"
    *_, text, arrow = refusal(changed('"{r} {s}"', '"\\n{r}\\n {z}"')).splitlines()
    assert text[arrow.index("^")] == "z"


@pytest.mark.parametrize(
    "rule",
    ["6 // X if X else 0", "X AND 6 % X", "X == 0 OR 6 // X", "6 // (X + 1)", "X % 10", "X // -3"],
)
def test_a_division_by_zero_that_no_state_reaches_is_no_fault(rule: str) -> None:
    assert world_from_text(changed("X + r", rule), "mine.yaml").size == 40


def test_tabs_and_line_ends_within_a_rule_are_spaces() -> None:
    world = world_from_text(changed("A AND B", "|\n    A\tAND\n    B"), "mine.yaml")
    assert world.answer("1,1,3") == "1 4"


def test_yaml_words_for_truth_stay_names() -> None:
    text = changed("{A: bool, B: bool,", "{y: bool, NO: bool,").replace("A AND B", "y AND NO")
    world = world_from_text(text.replace("{A},{B}", "{y},{NO}"), "mine.yaml")
    assert list(world.inputs) == ["y", "NO", "X"]


def test_a_chain_of_thousands_of_rules_is_read() -> None:
    chain = "".join(f"  c{number}: c{number - 1}\n" for number in range(1, 2_000))
    world = world_from_text(changed("  s: X", f"  c0: A\n{chain}  s: X"), "mine.yaml")
    assert world.depth("c1999") == 2_000


# -- worlds too large to list --------------------------------------------------------------------

NAMES = [f"A{number}" for number in range(25)]
LARGE = f"""\
name: large
inputs: {{{", ".join(f"{name}: bool" for name in NAMES)}}}
rules:
  odd: {" XOR ".join(NAMES)}
  some: (A0 + A1) % 2
prompt: "{"".join(f"{{{name}}}" for name in NAMES)}"
completion: " {{odd}} {{some}}"
"""


def test_a_world_too_large_to_list_is_generated(tmp_path: Path) -> None:
    world = world_from_text(LARGE, "large.yaml")
    assert world.size == 2**25
    hold_out = HoldOut(sequences=("01" * 12 + "1",))
    folder = generate(world, hold_out, Sizes(train=300, valid=3, test=3), 0, tmp_path / "data")
    rows = folder.rows("train")
    assert all(world.answer(row["prompt"]) == row["completion"] for row in rows)
    assert len({row["prompt"] for row in rows}) > 290
    assert folder.rows("heldout") == [{"prompt": "01" * 12 + "1", "completion": " 1 1"}]


@pytest.mark.parametrize(
    ("asked", "share"),
    [
        ({"fraction": 0.3}, 0.3),
        ({"where": "odd"}, 0.5),
        ({"where": "A0 AND A1", "fraction": 0.2, "sequences": ("1" * 25,)}, 0.4),
    ],
)
def test_of_a_world_too_large_to_list_states_are_drawn(
    asked: dict[str, Any], share: float, tmp_path: Path
) -> None:
    world, hold_out = world_from_text(LARGE, "large.yaml"), HoldOut(**asked)
    numbers = np.arange(0, world.size, 101)
    held_out = hold_out.includes(world, 7, numbers)
    assert abs(held_out.mean() - share) < 0.01
    assert (hold_out.includes(world, 7, numbers[::-1]) == held_out[::-1]).all()
    folder = generate(world, hold_out, Sizes(train=2_000, valid=9, test=9), 7, tmp_path / "data")
    split = Split(folder.manifest)
    assert hold_out.includes(world, 7, world.indices(split.held_out)).all()
    assert not hold_out.includes(world, 7, world.indices(split.seen)).any()
    assert 9_950 < len(split.held_out) <= 10_001  # some are drawn twice
    assert world.prompts(split.seen[:1])[0] in {row["prompt"] for row in folder.rows("train")}
    prompts = world.prompts(world.states_at(numbers[:50]))
    assert [split.holds_out(prompt) for prompt in prompts] == held_out[:50].tolist()
    assert not split.holds_out("no prompt")
    assert f"{len(split.held_out):,} of those held out drawn" in dataset_summary(folder)


def test_of_a_large_world_nothing_may_be_held_out_and_a_rule_may_be_named() -> None:
    unread = LARGE.replace("  odd: " + " XOR ".join(NAMES), "  odd: A0 AND A1\n  other: A1 OR A0")
    world = world_from_text(unread, "large.yaml")
    assert world.has_twins
    assert not len(HoldOut().resolve(world, seed=0))
    assert len(HoldOut(where="other").resolve(world, seed=0)) > 9_000
    with pytest.raises(ExperimentError, match="no part reads A7"):
        HoldOut(where="other AND A7").resolve(world, seed=0)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"where": "A0 > 1"}, "holds out none of 4,194,304 states drawn"),
        ({"where": "A0 < 2"}, "would leave 0 of 262,144 states drawn"),
        ({"fraction": 0.9999}, "would leave"),
        ({"where": "A0 AND Z"}, "unknown name 'Z'"),
    ],
)
def test_of_a_world_too_large_to_list_neither_all_nor_nothing_is_held_out(
    asked: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        HoldOut(**asked).resolve(world_from_text(LARGE, "large.yaml"), seed=0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("(A0 + A1) % 2", "A0 // A1", "inputs, line 2, column 1: 33,554,432 states are too many"),
        ("{A3}", "{A3 + A4}", "prompt, line 6, column 1: write every input by itself"),
    ],
)
def test_what_can_only_be_checked_by_listing_is_refused(old: str, new: str, says: str) -> None:
    assert says in refusal(LARGE.replace(old, new))


def test_the_widest_world_draws_all_its_values(tmp_path: Path) -> None:
    wide = "{X: 0..4294967295, Y: -536870912..536870911}"
    text = RIGHT.replace("{A: bool, B: bool, X: 0..9}", wide).replace("{A},{B},{X}", "{X} {Y}")
    text = text.replace("A AND B", "X > Y").replace("X + r", "X - Y")
    world = world_from_text(text, "wide.yaml")
    assert world.size == 2**62
    sizes = Sizes(train=400, valid=1, test=1)
    rows = generate(world, HoldOut(), sizes, 0, tmp_path / "data").rows("train")
    assert all(world.answer(row["prompt"]) == row["completion"] for row in rows)
    xs = [int(row["prompt"].split()[0]) for row in rows]
    assert min(xs) < 2**32 * 0.05
    assert max(xs) > 2**32 * 0.95


# -- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00binary", b"\x89PNG\r\n\x1a\n\x00", b"\xed\xa0\x80"]
)
def test_a_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(ExperimentError, match=r"mine\.yaml can't be read: it is not a text file"):
        read_world(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("name", "says"),
    [("", "Is a directory"), ("none.yaml", "No such file"), ("a" * 300, "too long")],
)
def test_a_file_that_can_not_be_opened_is_refused(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ExperimentError, match=f"can't be read: .*{says}"):
        read_world(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no /dev/zero here")
def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ExperimentError, match="more than"):
        read_world(Path("/dev/zero"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_world_can_come_through_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text(RIGHT))
    writer.start()
    assert read_world(tmp_path / "pipe").name == "right"
    writer.join()


@pytest.mark.parametrize(
    "name", ["mine.yaml", "_mine.yaml", "my world.yaml", "é.yaml", ".yaml", f"{'a' * 90}-.yaml"]
)
def test_a_new_world_file_is_sound_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    write_new_world(tmp_path / name)
    assert read_world(tmp_path / name).size == 40


def test_a_new_world_file_leaves_one_that_is_there_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("my work")
    with pytest.raises(ExperimentError, match="already exists"):
        write_new_world(tmp_path / "mine.yaml")
    assert (tmp_path / "mine.yaml").read_text() == "my work"


# -- the verbs -----------------------------------------------------------------------------------


def test_worlds_new_then_check(the_experiment: Command, tmp_path: Path) -> None:
    assert the_experiment("worlds", "new", "mine.yaml").returncode == 0
    done = the_experiment("worlds", "check", "mine.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "mine.yaml: mine is sound: 40 states, 2 parts\n"
    (tmp_path / "mine.yaml").write_text(changed("A AND B", "A AND C"))
    done = the_experiment("worlds", "check", "mine.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "error: mine.yaml: rules.r, column 7: unknown name 'C'; known are A, B, X, r, s",
        "  A AND C",
        "        ^",
    ]


def test_an_unknown_condition_is_told_with_its_column() -> None:
    world = world_from_text(RIGHT, "mine.yaml")
    for where, says in (
        ("A AND C", r"the condition, column 7: unknown name 'C'; known are A, B, X, r, s"),
        ("A AND", "the condition, column 6: the rule ends too early"),
        ("1 // X", "the condition, column 3: division by zero in state '0,0,0'"),
        ("X * 4611686018427387904 * 4", "the condition, column 1: values up to"),
        (" ", "the condition, column 2: the rule is empty"),
    ):
        with pytest.raises(UsageError, match=says):
            HoldOut(where=where).resolve(world, seed=0)
