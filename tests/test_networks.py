"""Boolean networks and truth tables as worlds, and worlds as those."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from conftest import Command
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.worlds import find_world
from the_experiment.worlds.files import read_world
from the_experiment.worlds.language import parse
from the_experiment.worlds.networks.formulas import BNET, formula, joined, text_of
from the_experiment.worlds.networks.importing import import_world
from the_experiment.worlds.networks.network import plain_names
from the_experiment.worlds.networks.writing import export_world
from the_experiment.worlds.rules import RuleWorld
from the_experiment.worlds.tree import Apply, Name, Tree, evaluate
from the_experiment.worlds.world import World

NAMES = ["A", "B", "C", "D", "E"]


def table_of(tree: Tree, names: Sequence[str]) -> np.ndarray:
    """Its value in each state, an axis for each name."""
    states = np.indices([2] * len(names)).reshape(len(names), 2 ** len(names))
    values = evaluate(tree, dict(zip(names, states, strict=True)), states.shape[1])
    return np.array(values != 0).reshape([2] * len(names))


TABLES = st.integers(0, 5).flatmap(lambda k: arrays(np.bool_, (2,) * k))


@given(TABLES)
def test_a_formula_holds_where_its_table_does_and_is_read_as_it_is_written(
    table: np.ndarray,
) -> None:
    names = NAMES[: table.ndim]
    tree = formula(names, table)
    assert str(parse(text_of(tree))) == str(tree)
    assert (table_of(tree, names) == table).all()


@given(TABLES)
def test_nothing_of_a_formula_can_be_left_out(table: np.ndarray) -> None:
    names = NAMES[: table.ndim]
    tree = formula(names, table)
    for smaller in without_one(tree):
        assert (table_of(smaller, names) != table).any()


def without_one(tree: Tree) -> list[Tree]:
    """The tree without any one operand of an AND or OR."""
    if not isinstance(tree, Apply):
        return []
    found = [*tree.operands] if tree.operator in ("AND", "OR") else []
    for place, operand in enumerate(tree.operands):
        for smaller in without_one(operand):
            operands = (*tree.operands[:place], smaller, *tree.operands[place + 1 :])
            found.append(Apply(tree.operator, operands))
    return found


def test_a_long_chain_can_be_read_again() -> None:
    tree = joined("OR", [Name(f"x{number}") for number in range(300)])
    assert str(parse(text_of(tree))) == str(tree)
    assert text_of(tree, BNET).count(" | ") == 299


@given(st.lists(st.text(st.sampled_from("aA_1-/ é")), unique=True))
def test_plain_names_are_names_and_no_two_alike(names: list[str]) -> None:
    plain = plain_names(names)
    assert len(set(plain.values())) == len(names)
    assert all(one.isidentifier() and one.isascii() for one in plain.values())
    assert plain_names(plain.values()) == {one: one for one in plain.values()}


# -- networks ------------------------------------------------------------------------------------

FISSION = """\
# three components of a made-up network
targets, factors
A, !B & C | A
B, A
C, 1
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


def test_a_network_becomes_a_world_of_its_next_step() -> None:
    imported = import_world(written("small net.bnet", FISSION))
    world = imported.world
    assert imported.path == Path("small-net.yaml")
    assert read_world(imported.path).same_as(world)
    assert list(world.inputs) == ["A", "B", "C"]
    assert world.rules == {"newA": "NOT B AND C OR A", "newB": "A", "newC": "1"}
    assert world.answer("001") == "\n101\n"
    assert "all components change at once" in imported.path.read_text()
    with pytest.raises(ExperimentError, match="already exists"):
        import_world(Path("small net.bnet"))


def test_a_component_alone_keeps_what_it_reads() -> None:
    world = import_world(written("net.bnet", FISSION), "only-a", "A").world
    assert (list(world.inputs), world.rules) == (["A", "B", "C"], {"newA": "NOT B AND C OR A"})
    assert list(import_world(Path("net.bnet"), "only-b", "B").world.inputs) == ["A"]
    assert list(import_world(Path("net.bnet"), "only-c", "C").world.inputs) == ["C"]
    with pytest.raises(UsageError, match="no component is called 'D'"):
        import_world(Path("net.bnet"), "only-d", "D")


def test_a_component_without_a_rule_keeps_its_value() -> None:
    world = import_world(written("net.bnet", "targets, factors\nA, C & !A\n")).world
    assert world.rules == {"newA": "C AND NOT A", "newC": "C"}


def test_every_operator_of_aeon_is_read() -> None:
    net = """
        A -?? A
        B -?? A
        $A: (A => B) & (A <=> !B) | (A ^ B)
    """
    world = import_world(written("net.aeon", net)).world
    for a, b in itertools.product((0, 1), repeat=2):
        expected = int(((not a or b) and a == 1 - b) or a != b)
        assert world.answer(f"{a}{b}") == f"\n{expected}{b}\n"


def test_what_is_not_known_of_a_network_is_asked_for() -> None:
    with pytest.raises(ExperimentError, match="A has regulators and no rule"):
        import_world(written("net.aeon", "B -> A\n"))
    with pytest.raises(ExperimentError, match="the rule of A has an unknown function"):
        import_world(written("other.aeon", "B -> A\n$A: f(B)\n"))


def test_sbml_is_read() -> None:
    import biodivine_aeon

    network = biodivine_aeon.BooleanNetwork.from_bnet(FISSION)
    world = import_world(written("net.sbml", network.to_sbml())).world
    other = import_world(written("other.bnet", FISSION)).world
    states = world.states()
    assert world.completions(states) == other.completions(states)


@pytest.mark.parametrize("name", ["net.bnet", "net.aeon", "net.sbml", "net.xml"])
def test_a_broken_file_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="can't be read"):
        import_world(written(name, "targets, factors\nA, & B\n"))


@pytest.mark.parametrize("name", ["net.bnet", "net.aeon", "net.cnet", "net.txt"])
def test_a_file_without_components_is_refused(name: str) -> None:
    with pytest.raises(ExperimentError, match="has no components"):
        import_world(written(name, ""))


def test_what_is_no_network_by_its_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"net\.json is no Boolean network by its name"):
        import_world(written("net.json", "{}"))


def test_names_that_no_rule_can_have_are_changed_and_told() -> None:
    net = ".v 2\n.l 1 Cdc2/Cdc13*\n.l 2 not\n.n 1 1 2\n1 1\n0 0\n.n 2 1 1\n1 0\n0 1\n"
    imported = import_world(written("net.cnet", net))
    assert imported.renamed == {"Cdc2/Cdc13*": "Cdc2_Cdc13_", "not": "not_"}
    assert imported.world.rules == {"newCdc2_Cdc13_": "not_", "newnot_": "NOT Cdc2_Cdc13_"}
    assert "Cdc2/Cdc13* is called Cdc2_Cdc13_ here" in imported.path.read_text()


def test_a_component_that_is_called_as_anothers_next_value_is_kept_apart() -> None:
    world = import_world(written("net.bnet", "targets, factors\nA, newA\nnewA, A\n")).world
    assert world.rules == {"next_newA": "newA", "next_newnewA": "A"}


def test_a_network_of_too_many_components_says_what_can_be_taken() -> None:
    lines = "".join(f"x{n}, x{(n + 1) % 63}\n" for n in range(63))
    path = written("net.bnet", f"targets, factors\n{lines}")
    with pytest.raises(UsageError, match="63 components, and a world 62") as error:
        import_world(path)
    assert "--only" in error.value.hint
    assert import_world(path, only="x3").world.rules == {"newx3": "x4"}


CNET = """\
.v 4
.l 1 A
.l 2 B
# 1 = A
.n 1 2 1 2
11 1
0- 0
10 1

.n 2 0

.n 3 0
1
.n 4 1 3
1 0
0 1
.e End of file
not read
"""


def test_tables_of_cases_are_read_with_constants_and_inputs() -> None:
    world = import_world(written("net.cnet", CNET)).world
    assert list(world.inputs) == ["A", "B", "x3", "x4"]
    assert world.rules == {"newA": "A", "newB": "B", "newx3": "1", "newx4": "NOT x3"}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("0- 0\n", "", "A: the state 00 is missing, and 1 others"),
        ("0- 0", "-- 0", "line 7: the state -- was given before"),
        ("10 1", "11 1", "line 8: the state 11 was given before"),
        ("10 1", "1 1", "line 8: '1 1' is no case of 2 regulators"),
        (".n 4 1 3", ".n 4 1 7", "no component has the number 7"),
        (".n 4 1 3", ".n 4 2 3", "line 14: not understood"),
        (".l 2 B", ".l 2 A", "two share a label"),
        (".v 4", ".v four", "line 1: not understood"),
    ],
)
def test_a_table_that_is_no_function_is_refused_with_its_line(
    old: str, new: str, what: str
) -> None:
    with pytest.raises(ExperimentError, match=what):
        import_world(written("net.txt", CNET.replace(old, new)))


@pytest.mark.parametrize(("word", "sign"), [("OR", "|"), ("AND", "&")])
def test_long_chains_are_read_whatever_their_depth(word: str, sign: str) -> None:
    names = [f"g{number % 50}" for number in range(400)]
    rule = f" {sign} ".join(names)
    imported = import_world(written("net.bnet", f"targets, factors\nT, {rule}\n"), "t", "T")
    assert imported.world.rules["newT"].count(f" {word} ") == 399
    assert read_world(imported.path).same_as(imported.world)


def test_a_network_that_was_renamed_is_exported_as_one() -> None:
    net = ".v 2\n.l 1 14-3-3\n.l 2 not\n.n 1 1 2\n1 1\n0 0\n.n 2 1 1\n1 0\n0 1\n"
    for name, text in (("a.cnet", net), ("b.bnet", "targets, factors\nA, newA\nnewA, !A\n")):
        world = import_world(written(name, text)).world
        path = Path(f"{name}.out.bnet")
        export_world(world, path)
        again = import_world(path).world
        assert list(again.inputs) == list(world.inputs)
        assert again.completions(again.states()) == world.completions(world.states())


# -- truth tables --------------------------------------------------------------------------------

TABLE = "A,B,,both,odd\n0,0,,0,0\n0,1,,0,1\n1,0,,0,1\n1,1,,1,0\n"


def test_a_truth_table_becomes_a_world() -> None:
    world = import_world(written("table.csv", TABLE)).world
    assert world.rules == {"both": "A AND B", "odd": "NOT A AND B OR A AND NOT B"}
    marked = import_world(written("marked.csv", "\ufeff\n" + TABLE.replace("odd", "A+B"))).world
    assert list(marked.inputs) == ["A", "B"]
    told = import_world(written("told.csv", TABLE.replace("odd", "A+B"))).renamed
    assert told == {"A+B": "A_B"}
    parity = "".join(
        ",".join([*bits, "", str(bits.count("1") % 2)]) + "\n"
        for bits in itertools.product("01", repeat=10)
    )
    wide = written("wide.csv", ",".join("ABCDEFGHIJ") + ",,odd\n" + parity)
    with pytest.raises(ExperimentError, match=r"odd would be a rule of .* characters"):
        import_world(wide)
    last = import_world(written("last.csv", "A,out\n0,1\n1,0\n")).world
    assert last.rules == {"out": "NOT A"}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("0,1,,0,1\n", "", "the state 01 is missing, and 0 others"),
        ("1,0,,0,1", "0,1,,0,1", "line 4: the state 01 was given before"),
        ("1,0,,0,1", "0,1,,1,1", "line 4: the state 01 was given before"),
        ("1,0,,0,1", "1,0,,2,1", "line 4: give 0 or 1"),
        ("1,0,,0,1", "1,0,,0", "line 4: give 0 or 1"),
        ("both,odd", "both,A", "line 1: a column needs a name of its own"),
        ("A,B,,both,odd", ",A,B,both,odd", "line 1: a column needs a name of its own"),
        (TABLE, "", "is empty"),
        ("A,B,,both,odd", "\n,,B,,", "line 2: a column needs a name of its own"),
    ],
)
def test_a_truth_table_that_is_none_is_refused_with_its_line(old: str, new: str, what: str) -> None:
    with pytest.raises(ExperimentError, match=what):
        import_world(written("table.csv", TABLE.replace(old, new)))


# -- and back ------------------------------------------------------------------------------------


def same_on_all_states(world: World, other: World) -> bool:
    """Whether what both of them compute is the same, whatever else the other one has."""
    states = world.states()
    theirs = np.zeros((len(states), len(other.inputs)), dtype=np.int64)
    theirs[:, [list(other.inputs).index(name) for name in world.inputs]] = states
    expected, found = world.evaluate(states), other.evaluate(theirs)
    return all((found[_named_as(rule, found)] == expected[rule]).all() for rule in expected)


def _named_as(rule: str, among: object) -> str:
    return next(one for one in (rule, f"new{rule}", f"next_new{rule}") if one in among)  # type: ignore[operator]


EXPRESSIONS = st.recursive(
    st.sampled_from(["A", "B", "C", "0", "1"]),
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["AND", "OR", "XOR", "=="]), inner),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("suffix", [".bnet", ".csv"])
@pytest.mark.parametrize("names", [["newA", "newB", "newC"], ["one", "two"]])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_is_exported_and_imported_computes_the_same(
    suffix: str, names: list[str], data: st.DataObject
) -> None:
    rules = {name: data.draw(EXPRESSIONS) for name in names}
    domain = find_world("causal").inputs["A"]
    inputs = dict.fromkeys("ABC", domain)
    fields = "".join(f"{{{name}}}" for name in names)
    world = RuleWorld("any", inputs, rules, "{A}{B}{C}", f"\n{fields}\n")
    for path in (Path(f"any{suffix}"), Path("any.yaml")):
        path.unlink(missing_ok=True)
    export_world(world, Path(f"any{suffix}"))
    other = import_world(Path(f"any{suffix}")).world
    assert same_on_all_states(world, other)
    if names[0] == "newA":
        assert world.completions(world.states()) == other.completions(other.states())


def test_shipped_worlds_of_booleans_can_be_exported(tmp_path: Path) -> None:
    for name in ("causal", "relay"):
        for suffix in (".bnet", ".csv"):
            path = tmp_path / f"{name}{suffix}"
            export_world(find_world(name), path)
            assert same_on_all_states(
                find_world(name), import_world(path, f"{name}-{suffix[1:]}").world
            )


def test_what_can_not_be_exported_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not boolean"):
        export_world(find_world("modular"), tmp_path / "x.bnet")
    with pytest.raises(UsageError, match="has no rules"):
        export_world(find_world("binding"), tmp_path / "x.bnet")
    with pytest.raises(UsageError, match="no kind of file"):
        export_world(find_world("causal"), tmp_path / "x.json")
    written("there.csv", "")
    with pytest.raises(ExperimentError, match="already exists"):
        export_world(find_world("causal"), Path("there.csv"))


def test_both_verbs(the_experiment: Command) -> None:
    written("net.bnet", FISSION)
    done = the_experiment("worlds", "import", "net.bnet", "--as", "mine")
    assert "wrote mine.yaml: 3 inputs, 8 states, 3 rules" in done.stdout
    the_experiment("worlds", "export", "mine.yaml", "mine.csv")
    assert Path("mine.csv").read_text().startswith("A,B,C,,newA,newB,newC\n0,0,0,,0,0,1\n")
