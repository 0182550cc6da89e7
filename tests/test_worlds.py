"""Worlds: the default one against rules written by hand, and what every world has to keep."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import Command
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.registry import Registry
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.data.split import Split
from the_experiment.evaluation.baseline import baselines
from the_experiment.experiments.declaration import find_experiment
from the_experiment.experiments.splits.cells import fits_of
from the_experiment.experiments.splits.config import SplitsExperiment
from the_experiment.models.architectures import ARCHITECTURES
from the_experiment.worlds import Domain, World, find_world, world_names
from the_experiment.worlds.analysis import fourier_degree
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.language import parse
from the_experiment.worlds.rules import RuleWorld
from the_experiment.worlds.template import Template
from the_experiment.worlds.words import sentence

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there

TRUTHS = ("no", "yes", "False", "True")  # as worlds write 0 and 1 that are truth values
PLUGIN = Path(__file__).parent / "plugin"
CAUSAL = find_world("causal")


def bools(names: str) -> dict[str, Domain]:
    return {name: Domain(0, 1, boolean=True) for name in names}


def tiny(completion: str, prompt: str = "{A},{B},{X}", **rules: str) -> RuleWorld:
    inputs = {**bools("AB"), "X": Domain(-2, 12)}
    return RuleWorld("tiny", inputs, rules or {"r": "A AND B"}, prompt, completion)


# -- the default world ---------------------------------------------------------------------------


def test_the_default_world_is_the_file_that_was_asked_for() -> None:
    assert (
        CAUSAL.source
        == r"""name: causal
inputs: {A: bool, B: bool, C: bool, D: bool, E: bool}      # or an integer range, X: 0..9
rules:                                                    # a rule may use inputs and other rules, in any order, without a circle
  newA: A XOR C
  newB: NOT D
  newC: B AND E
  newD: A OR newB
prompt: "{A},{B},{C},{D},{E}"
completion: "\n{newA},{newB},{newC},{newD}\n{A + B + C + D + E} - {newA + newB + newC + newD}\n"
"""  # noqa: E501
    )


@pytest.mark.parametrize("state", list(itertools.product((0, 1), repeat=5)))
def test_every_answer_of_the_default_world(state: tuple[int, ...]) -> None:
    a, b, c, d, e = state
    new_a = 1 if a != c else 0
    new_b = 1 if d == 0 else 0
    new_c = 1 if b == 1 and e == 1 else 0
    new_d = 1 if a == 1 or new_b == 1 else 0
    sum_1, sum_2 = a + b + c + d + e, new_a + new_b + new_c + new_d
    prompt = f"{a},{b},{c},{d},{e}"
    assert CAUSAL.answer(prompt) == f"\n{new_a},{new_b},{new_c},{new_d}\n{sum_1} - {sum_2}\n"


@pytest.mark.parametrize(
    ("prompt", "completion"),
    [("0,1,1,1,0", "\n1,0,0,0\n3 - 1\n"), ("1,0,1,0,1", "\n0,1,0,1\n3 - 2\n")],
)
def test_answers_that_the_project_was_described_with(prompt: str, completion: str) -> None:
    assert CAUSAL.answer(prompt) == completion


def test_facts_of_the_default_world() -> None:
    parts = ["newA", "newB", "newC", "newD", "sum", "sum2"]
    assert CAUSAL.parts == parts
    assert CAUSAL.size == 32
    assert CAUSAL.alphabet == "\n ,-012345"
    assert {part: CAUSAL.depth(part) for part in parts} == dict(
        zip(parts, (1, 1, 1, 2, 1, 3), strict=True)
    )
    assert {part: "".join(CAUSAL.depends_on(part)) for part in parts} == dict(
        zip(parts, ("AC", "D", "BE", "AD", "ABCDE", "ABCDE"), strict=True)
    )
    assert [fourier_degree(CAUSAL, part) for part in parts] == [2, 1, 2, 2, None, None]


def test_no_part_is_called_as_the_whole() -> None:
    with pytest.raises(ExperimentError, match="no part can be called exact"):
        tiny("{exact}", exact="A AND B")


def test_the_default_worlds_rules_in_words() -> None:
    assert find_world("causal").in_words() == [
        "newA is true when exactly one of A and C is true",
        "newB is true when D is false",
        "newC is true when B and E are both true",
        "newD is true when at least one of A and newB is true",
        "sum is A + B + C + D + E",
        "sum2 is newA + newB + newC + newD",
    ]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("A XOR B XOR C", "an odd number of A, B and C is true"),
        ("A XOR (B AND C)", "exactly one of these holds: A is true; (B and C are both true)"),
        ("NOT (A OR B)", "not (at least one of A and B is true)"),
        ("A + 1 > B OR NOT C", "((A + 1) > B) or C is false"),
        ("min(A, B) AND C", "(min(A, B) is not 0) and C is true"),
    ],
)
def test_a_rule_in_words(rule: str, words: str) -> None:
    assert sentence("new", parse(rule), rule) == f"new is true when {words}"


def test_spans_tell_where_each_part_stands() -> None:
    text = "\n1,0,0,0\n3 - 1\n"
    spans = CAUSAL.spans(text)
    assert {name: (span.start, span.end, span.value) for name, span in spans.items() if span} == {
        "newA": (1, 2, 1),
        "newB": (3, 4, 0),
        "newC": (5, 6, 0),
        "newD": (7, 8, 0),
        "sum": (9, 10, 3),
        "sum2": (13, 14, 1),
    }


@pytest.mark.parametrize(
    ("completion", "exact", "wrong"),
    [
        ("\n1,0,0,0\n3 - 1\n", True, ""),
        ("\n1,1,0,0\n3 - 2\n", False, "newB sum2"),
        ("\n1,0,0,0\n3 - 1", False, ""),
        ("\n1,0,0,0\n3 - 1\n\n", False, ""),
        ("\n1,0,0,0\n3 + 1\n", False, "sum2"),
        ("\n1,0,0", False, "newD sum sum2"),
        ("\n1,,0,0\n3 - 1\n", False, "newB"),
        ("\nx,0,0,0\n3 - 1\n", False, "newA newB newC newD sum sum2"),
        ("", False, "newA newB newC newD sum sum2"),
    ],
)
def test_grade_tells_which_parts_are_wrong(completion: str, exact: bool, wrong: str) -> None:
    grade = CAUSAL.grade("0,1,1,1,0", completion)
    assert grade.exact is exact
    assert " ".join(name for name, part in grade.parts.items() if not part.correct) == wrong
    assert [part.expected for part in grade.parts.values()] == [1, 0, 0, 0, 3, 1]


# -- counterfactuals -----------------------------------------------------------------------------


def test_counterfactual_changes_only_the_inputs_named() -> None:
    assert CAUSAL.counterfactual("0,1,1,1,0", {"A": 1, "E": 1}) == "1,1,1,1,1"
    assert CAUSAL.counterfactual("0,1,1,1,0", {}) == "0,1,1,1,0"


@pytest.mark.parametrize("changes", [{"A": 2}, {"A": -1}, {"a": 1}, {"newA": 1}])
def test_counterfactual_refuses_what_can_not_be(changes: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        CAUSAL.counterfactual("0,1,1,1,0", changes)


def test_what_follows_from_a_forced_output() -> None:
    state = CAUSAL.state("0,1,1,1,0")
    assert CAUSAL.completions(state) == ["\n1,0,0,0\n3 - 1\n"]
    assert CAUSAL.completions(state, {"newB": 1}) == ["\n1,1,0,1\n3 - 3\n"]
    assert CAUSAL.completions(state, {"newD": 1}) == ["\n1,0,0,1\n3 - 2\n"]


def test_forcing_an_output_that_there_is_not_is_no_silent_nothing() -> None:
    with pytest.raises(UsageError, match="newb"):
        CAUSAL.completions(CAUSAL.state("0,1,1,1,0"), {"newb": 1})


# -- what the rules imply ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "degree"),
    [
        ("0", 0),
        ("A", 1),
        ("A XOR B XOR C", 3),
        ("A AND B AND C AND D", 4),
        ("A + B + C + D >= 2", 4),
        ("A if B else C", 2),
        ("A XOR A", 0),
        ("A + B", None),
    ],
)
def test_fourier_degree(rule: str, degree: int | None) -> None:
    world = RuleWorld("w", bools("ABCDE"), {"r": rule}, "{A}{B}{C}{D}{E}", "{r}")
    assert fourier_degree(world, "r") == degree


@pytest.mark.parametrize("name", ["causal", "modular", "relay"])
def test_dependencies_read_from_the_tree_hold_in_the_states(name: str) -> None:
    world = find_world(name)
    for part in world.parts:
        assert set(World.depends_on(world, part)) <= set(world.depends_on(part))


def test_relay_has_chains_of_depth_4() -> None:
    relay = find_world("relay")
    assert len(relay.inputs) == 10
    assert [relay.depth(part) for part in relay.parts] == [1, 2, 3, 4, 1, 2, 3]


def test_modular_feeds_its_outputs_to_one_another() -> None:
    modular = find_world("modular")
    assert modular.answer("7 8 9") == " = 5 4 4 -> 13\n"
    assert modular.depth("total") == 4


def test_a_part_without_a_name_never_takes_the_name_of_a_rule_or_input() -> None:
    inputs = {**bools("AB"), "sum": Domain(0, 9), "A2": Domain(0, 9)}
    rules = {"difference": "A XOR B", "deep": "NOT difference"}
    world = RuleWorld(
        "w", inputs, rules, "{A + B} {sum} {A} {A} {A2} {B}", "{A - B},{difference},{1 - deep}"
    )
    assert world.parts == ["difference2", "difference", "difference3"]
    assert [world.depth(part) for part in world.parts] == [1, 1, 3]
    assert world.prompts(world.state("1 7 1 1 5 0")) == ["1 7 1 1 5 0"]
    assert world.answer("1 7 1 1 5 0") == "1,1,1"


def test_a_part_shares_no_more_than_its_name_with_a_rule_that_is_not_written() -> None:
    world = tiny("{A + B}", sum="X + 1", more="sum * 2")
    assert world.parts == ["sum"]
    assert (world.depth("sum"), world.depends_on("sum")) == (1, ["A", "B"])
    assert (world.depth("more"), world.depends_on("more")) == (2, ["X"])


# -- texts and states ----------------------------------------------------------------------------


@given(st.data())
def test_numbers_and_states_are_inverse(data: st.DataObject) -> None:
    ends = st.tuples(st.integers(-9, 9), st.integers(0, 50))
    domains = data.draw(st.lists(ends.map(lambda e: Domain(e[0], e[0] + e[1])), min_size=1))
    inputs = {f"x{number}": domain for number, domain in enumerate(domains[:8])}
    prompt = " ".join(f"{{{name}}}" for name in inputs)
    world = RuleWorld("w", inputs, {"r": "x0"}, prompt, "{r}")
    number = data.draw(st.integers(0, world.size - 1))
    states = world.states_at(np.array([number]))
    assert world.indices(states).tolist() == [number]
    text = world.prompts(states)[0]
    assert world.indices(world.state(text)).tolist() == [number]


def test_states_are_listed_in_the_order_of_their_numbers() -> None:
    world = tiny("{r}")
    assert world.states().tolist() == [
        list(state) for state in itertools.product((0, 1), (0, 1), range(-2, 13))
    ]
    assert world.indices(world.states()).tolist() == list(range(60))


@pytest.mark.parametrize(
    "prompt", ["{A},{B},{X}", "{X}{A}{B}", "{A}{B}{X}0", "{A}{X}-{B}", "{A + B}:{A}{B} {{{X}}}"]
)
def test_a_state_is_found_again_from_its_prompt(prompt: str) -> None:
    world = tiny("{r}", prompt)
    for state in world.states():
        text = world.prompts(state[None])[0]
        assert world.state(text).tolist() == [state.tolist()]


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\0", "a,b,c,d,e", "10101", "1;0;1;0;1"),
        *("1,0,1,0", "1,0,1,0,1,1", "1,0,1,0,2", "01,0,1,0,1", "-1,0,1,0,1", "１,0,1,0,1"),
        *("1, 0, 1, 0, 1", " 1,0,1,0,1", "1,0,1,0,1\n", "1" * 9_999),
    ],
)
def test_a_text_that_is_no_prompt_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        CAUSAL.answer(text)
    assert "not a sequence of world causal" in caught.value.what
    assert caught.value.hint == "write A, B, C, D, E like '1,0,1,0,0'"
    assert len(caught.value.what) < 200


def test_a_number_out_of_range_is_told() -> None:
    with pytest.raises(UsageError, match=r"X is 13, not one of -2\.\.12"):
        tiny("{r}").answer("1,0,13")


@given(
    st.sampled_from(["causal", "modular", "relay"]),
    st.one_of(
        st.text(),
        st.text("\n ,-0123456789=>", max_size=30),
        st.text("0123456789-", min_size=15, max_size=60).map("\n{}".format),
    ),
    st.integers(0, 40),
)
@example("modular", "9" * 5_000, 3)
def test_reading_and_grading_damaged_completions_never_raises(
    name: str, damage: str, kept: int
) -> None:
    world = find_world(name)
    right = world.answer(world.example_prompt)
    for text in (
        damage,
        right[:kept] + damage,
        damage + right,
        right[:kept] + damage + right[kept:],
    ):
        grade = world.grade(world.example_prompt, text)
        assert grade.exact is (text == right)
        for span in filter(None, world.spans(text).values()):
            assert int(text[span.start : span.end]) == span.value


def test_braces_and_constant_texts() -> None:
    template = Template("{{{A}}} {{}} {3}")
    assert template.render({"A": np.array([0, 1])}, 2) == ["{0} {} 3", "{1} {} 3"]
    assert Template("plain").render({}, 2) == ["plain", "plain"]


# -- what every world keeps ----------------------------------------------------------------------


def worlds_under_contract() -> list[World]:
    sys.path.append(str(PLUGIN))
    from collatz_world import Collatz

    sys.path.remove(str(PLUGIN))
    signed = tiny("{s} {X * s}: {X // 3 if A else X % 5}", s="X - 3 * A")
    return [*map(find_world, world_names()), signed, Collatz()]


@pytest.mark.parametrize("world", worlds_under_contract(), ids=lambda world: world.name)
def test_contract_of_every_world(world: World) -> None:
    numbers = np.unique(np.linspace(0, world.size - 1, 500).astype(np.int64))
    states = world.states_at(numbers)
    assert world.indices(states).tolist() == numbers.tolist()
    prompts, completions = world.prompts(states), world.completions(states)
    assert len(set(prompts)) == len(prompts)
    values = world.part_values(states)
    assert list(values) == world.parts
    alphabet = set(world.alphabet)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        assert world.answer(prompt) == completion
        grade = world.grade(prompt, completion)
        assert grade.exact
        assert list(grade.parts) == world.parts
        assert all(part.correct for part in grade.parts.values())
        for name, span in world.spans(completion).items():
            assert span is not None
            assert span.value == values[name][row]
            said = completion[span.start : span.end]
            assert said in (str(span.value), *TRUTHS[span.value % 2 :: 2])
        assert set(prompt + completion) <= alphabet
        assert len(prompt + completion) <= world.longest
    for name, (low, high) in world.output_bounds.items():
        reached = world.evaluate(states)[name]
        assert low <= reached.min()
        assert reached.max() <= high
    for part in world.parts:
        assert set(world.depends_on(part)) <= set(world.inputs)
        assert world.depth(part) >= 0


def test_editing_a_world_file_changes_the_world(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(CAUSAL.source)
    assert find_world(str(file)).answer("0,0,0,0,0") == "\n0,1,0,1\n0 - 2\n"
    file.write_text(CAUSAL.source.replace("NOT D", "D"))
    assert find_world(str(file)).answer("0,0,0,0,0") == "\n0,0,0,0\n0 - 0\n"


@pytest.mark.parametrize("name", ["", "nowhere", "causal.yml.bak", "Causal", "a" * 300])
def test_an_unknown_world_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"causal, .*modular, .*relay"):
        find_world(name)


# -- worlds of other packages --------------------------------------------------------------------


@pytest.fixture
def plugged_in(tmp_path: Path) -> Path:
    """The plug-in package installed in a folder, as `pip install --target` would, but offline."""
    for registry in (ARCHITECTURES, baselines):
        registry.names()  # those of this process look for plug-ins once: before this one is there
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    folder = tmp_path / "site"
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    for name in ("collatz_world.py", "collatz.yaml", "gru_model.py"):
        shutil.copy(PLUGIN / name, folder)
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    return folder


def test_a_plugged_in_world_is_listed_shown_and_generated(
    plugged_in: Path, the_experiment: Command, tmp_path: Path
) -> None:
    path = {"PYTHONPATH": str(plugged_in)}
    listed = json.loads(the_experiment("worlds", "list", "--json", **path).stdout)
    names = [world["name"] for world in listed]
    assert names == [*sorted(names[:-1]), "collatz"]
    assert {"causal", "modular", "relay", "binding"} <= set(names)
    shown = json.loads(the_experiment("worlds", "show", "collatz", "--json", **path).stdout)
    assert shown["parts"]["steps"]["depends_on"] == ["N"]
    words = ("generate", "-w", "collatz", "-o", "27", "--train-size", "200")
    done = the_experiment(*words, **path)
    assert (done.returncode, done.stderr) == (0, "")
    held_out = json.loads((tmp_path / "dataset/heldout.jsonl").read_text())
    assert held_out == {"prompt": "27", "completion": " takes 111 steps, 1\n"}


@pytest.mark.slow
def test_a_plugged_in_model_is_trained_and_tested_beside_a_plugged_in_baseline(
    plugged_in: Path, the_experiment: Command
) -> None:
    path = {"PYTHONPATH": os.pathsep.join([str(plugged_in), os.environ.get("PYTHONPATH", "")])}
    for words in (
        ("generate", "-o", "1,0,1,0,1", "--train-size", "320"),
        ("train", "gru", "--epochs", "1"),
    ):
        done = the_experiment(*words, **path)
        assert done.returncode == 0, done.stderr
    told = json.loads(the_experiment("test", "1,0,1,0,1", "--json", **path).stdout)
    assert list(told["models"]) == ["tiny-gru-causal"]
    (comparison,) = json.loads(the_experiment("compare", "--json", **path).stdout)
    score = comparison["baselines"]["always one"]["held_out"]["newA"]
    assert (score["seen_before"]["always"], score["seen_before"]["n"]) == (0, 1)


@pytest.mark.slow
def test_a_plugged_in_experiment_is_listed_shown_and_has_cells(
    plugged_in: Path, the_experiment: Command
) -> None:
    path = {"PYTHONPATH": os.pathsep.join([str(plugged_in), os.environ.get("PYTHONPATH", "")])}
    listed = json.loads(the_experiment("experiments", "list", "--json", **path).stdout)
    assert {"seed-claim", "collatz"} <= listed.keys()
    shown = json.loads(the_experiment("experiments", "show", "collatz", "--json", **path).stdout)
    assert (shown["world"], shown["measures"]) == ("collatz", {"steps": ["steps"]})


def test_cells_of_a_world_in_python_are_others_once_it_answers_otherwise(
    plugged_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(plugged_in)
    code = (plugged_in / "collatz_world.py").read_text()
    keys = []
    for text in (code, code + "# a comment\n", code.replace("steps % 2", "steps % 10")):
        (plugged_in / "collatz_world.py").write_text(text)
        monkeypatch.delitem(sys.modules, "collatz_world", raising=False)
        experiment = find_experiment("collatz")
        assert isinstance(experiment, SplitsExperiment)
        keys.append({fit.cell.digest for fit in fits_of(experiment)})
    monkeypatch.delitem(sys.modules, "collatz_world", raising=False)
    assert keys[0] == keys[1]
    assert not keys[0] & keys[2]


def test_a_world_in_python_goes_through_generate_and_split(
    plugged_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(plugged_in)
    world = find_world("collatz")
    hold_out = HoldOut(sequences=("27",), where="steps > 100")
    folder = generate(world, hold_out, Sizes(train=500), 0, tmp_path / "data")
    split = Split(folder.manifest)
    assert split.world.name == "collatz"
    assert (
        world.prompts(split.held_out)
        == folder.manifest.held_out
        == ["27", "31", "41", "47", "54", "55"]
    )


NO_LIBRARY = "raise ImportError('no such library')"


@pytest.mark.parametrize(
    ("kind", "code", "says"),
    [
        ("world", NO_LIBRARY, "no such library"),
        ("world", "Collatz = 3", "is not a World"),
        ("world", "Collatz = '/nowhere.yaml'", "nowhere.yaml"),
        (
            "world",
            "from the_experiment.worlds import find_world\nCollatz = find_world('relay')",
            "'relay'",
        ),
        ("experiment", NO_LIBRARY, "fails: ImportError('no such library')"),
        ("experiment", "EXPERIMENT = 3", "is not a file path: 3"),
        ("experiment", "EXPERIMENT = '/nowhere.yaml'", "is not a file path: '/nowhere.yaml'"),
    ],
)
def test_a_broken_plug_in_is_named(
    plugged_in: Path, monkeypatch: pytest.MonkeyPatch, kind: str, code: str, says: str
) -> None:
    (plugged_in / "collatz_world.py").write_text(code)
    monkeypatch.syspath_prepend(plugged_in)
    monkeypatch.delitem(sys.modules, "collatz_world", raising=False)
    find: Callable[[str], object] = find_world if kind == "world" else find_experiment
    with pytest.raises(ExperimentError, match=f"the plugged-in {kind} 'collatz'") as caught:
        find("collatz")
    assert says in caught.value.what
    monkeypatch.delitem(sys.modules, "collatz_world", raising=False)


@pytest.mark.parametrize(("kind", "name"), [("model", "gru"), ("baseline", "always one")])
def test_a_broken_plugged_in_model_or_baseline_is_named(
    plugged_in: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    (plugged_in / "gru_model.py").write_text(NO_LIBRARY)
    monkeypatch.syspath_prepend(plugged_in)
    monkeypatch.delitem(sys.modules, "gru_model", raising=False)
    registry = Registry[object](kind, "the_experiment.models.shipped", f"the_experiment.{kind}s")
    says = rf"the plugged-in {kind} '{name}' fails: ImportError\('no such library'\): fix or unin"
    with pytest.raises(ExperimentError, match=says):
        registry.names()


def test_a_broken_plug_in_is_no_traceback(plugged_in: Path, the_experiment: Command) -> None:
    (plugged_in / "gru_model.py").write_text(NO_LIBRARY)
    path = {"PYTHONPATH": os.pathsep.join([str(plugged_in), os.environ.get("PYTHONPATH", "")])}
    told = the_experiment("experiments", "list", **path)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith("error: the plugged-in ")


def test_a_world_survives_its_source() -> None:
    again = world_from_text(CAUSAL.source, "copy")
    assert again.completions(again.states()) == CAUSAL.completions(CAUSAL.states())
