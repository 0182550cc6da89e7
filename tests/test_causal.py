"""Puzzles about causes: read again from their words, and answered by brute force."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.worlds.causal.drawing import SIZES, draw_puzzles
from the_experiment.worlds.causal.graphs import NAMES, NAMINGS, shape
from the_experiment.worlds.causal.puzzle import PUZZLES, Puzzle, solved
from the_experiment.worlds.causal.writing import (
    completion_of,
    is_bare_answer,
    is_right,
    prompt_of,
    read_answer,
)

KINDS = ("root-cause", "intervention", "counterfactual", "d-separation", "confounding", "chain")
STRUCTURAL = ("intervention", "counterfactual")
Edges = set[tuple[str, str]]
each_kind = pytest.mark.parametrize("kind", PUZZLES.names())

# -- read from the words ----------------------------------------------------------------------

EDGE = (  # cause and effect in each wording
    (r"(?P<cause>.+) (?:causes|leads to|has a direct effect on) (?P<effect>.+)"),
    (r"(?P<effect>.+) is caused by (?P<cause>.+)"),
    (r"one direct cause of (?P<effect>.+) is (?P<cause>.+)"),
)
RULE = r"(?P<effect>.+) occurs (?:exactly when|if) (?P<condition>.+?)(?:, and only then)?"
CONDITIONS = {
    "all": r"both (.+) and (.+) occur",
    "any": r"at least one of (.+) and (.+) occurs",
    "not": r"(.+) does not occur",
    "same": r"(.+) occurs",
}


def sentences(puzzle: Puzzle) -> list[str]:
    """What the question tells; what variables are called is as in its edges."""
    text = puzzle.question if puzzle.naming == "letters" else puzzle.question.lower()
    return [one.strip() for one in re.split(r"[.?]", text)]


def told_edges(puzzle: Puzzle) -> Edges:
    return {*edges_in_order(puzzle)}


def edges_in_order(puzzle: Puzzle) -> list[tuple[str, str]]:
    first, *_ = told = sentences(puzzle)
    if first.lower().startswith("let "):
        pairs = re.split(r", | and ", first[4:])
        return [(cause, effect) for cause, effect in (pair.split(" cause ") for pair in pairs)]
    found = []
    for sentence in told:
        for wording in EDGE:
            if match := re.fullmatch(wording, sentence.replace("One", "one")):
                names = match["cause"], match["effect"]
                if all(name in NAMES[puzzle.naming] for name in names):
                    found.append(names)
                    break
    return found


def told_rules(puzzle: Puzzle) -> dict[str, tuple[str, tuple[str, ...]]]:
    found = {}
    for sentence in sentences(puzzle):
        if (match := re.fullmatch(RULE, sentence)) and match["effect"] in NAMES[puzzle.naming]:
            matches = (
                (rule, re.fullmatch(it, match["condition"])) for rule, it in CONDITIONS.items()
            )
            rule, groups = next((rule, it.groups()) for rule, it in matches if it)
            found[match["effect"]] = (rule, groups)
    return found


def told_facts(puzzle: Puzzle) -> dict[str, bool]:
    facts = [re.fullmatch(r"(.+?) (occurs|does not occur)", one) for one in sentences(puzzle)]
    named = [fact for fact in facts if fact and fact[1] in NAMES[puzzle.naming]]
    return {fact[1]: fact[2] == "occurs" for fact in named}


# -- answered by brute force --------------------------------------------------------------------


def ways(edges: Edges, start: str, end: str, seen: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Every way along the arrows."""
    if start == end:
        yield [end]
        return
    for cause, effect in edges:
        if cause == start and effect not in seen:
            yield from ([start, *way] for way in ways(edges, effect, end, (*seen, start)))


def either_way(edges: Edges) -> Edges:
    return edges | {(effect, cause) for cause, effect in edges}


def reaches(edges: Edges, start: str, end: str) -> bool:
    return start != end and any(ways(edges, start, end))


def names_of(edges: Edges) -> set[str]:
    return {name for edge in edges for name in edge}


def listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def root_cause(puzzle: Puzzle) -> str:
    edges, (goal,) = told_edges(puzzle), puzzle.asked
    effects = {effect for _, effect in edges}
    return listed({one for one in names_of(edges) - effects if reaches(edges, one, goal)})


def is_open(edges: Edges, path: Sequence[str], given: set[str]) -> bool:
    for before, name, after in zip(path, path[1:], path[2:], strict=False):
        if {(before, name), (after, name)} <= edges:
            if name not in given and not any(reaches(edges, name, one) for one in given):
                return False
        elif name in given:
            return False
    return True


def d_separation(puzzle: Puzzle) -> str:
    edges, (one, other) = told_edges(puzzle), puzzle.asked
    paths = ways(either_way(edges), one, other)
    return "no" if any(is_open(edges, path, {*puzzle.given}) for path in paths) else "yes"


def confounding(puzzle: Puzzle) -> str:
    edges, (cause, effect) = told_edges(puzzle), puzzle.asked
    found = {
        name
        for name in names_of(edges)
        if reaches(edges, name, cause)
        and any(cause not in way for way in ways(edges, name, effect))
    }
    return listed(found) if puzzle.asks == "variables" else "yes" if found else "no"


def chain(puzzle: Puzzle) -> str:
    edges, goal = told_edges(puzzle), puzzle.asked[-1]
    if puzzle.asks == "number":
        (way,) = ways(edges, puzzle.asked[0], goal)
        return str(len(way) - 1)
    (found,) = (
        name
        for name in names_of(edges)
        for way in ways(edges, name, goal)
        if len(way) == puzzle.links + 1
    )
    return found


def worlds(puzzle: Puzzle, forced: dict[str, bool]) -> Iterator[dict[str, bool]]:
    """Every assignment to all variables in which each is as forced, or as its rule says."""
    rules, names = told_rules(puzzle), sorted(names_of({*puzzle.edges}))
    for values in product((False, True), repeat=len(names)):
        world = dict(zip(names, values, strict=True))
        if all(world[name] == value for name, value in forced.items()) and all(
            world[name] == follows(rule, [world[one] for one in by])
            for name, (rule, by) in rules.items()
            if name not in forced
        ):
            yield world


def follows(rule: str, values: list[bool]) -> bool:
    if rule == "all":
        return all(values)
    return any(values) if rule in ("any", "same") else not values[0]


def structural(puzzle: Puzzle) -> str:
    assert puzzle.structure is not None
    (name, goal), known, forced = puzzle.asked, told_facts(puzzle), puzzle.structure.forced
    before = [one for one in worlds(puzzle, {}) if known.items() <= one.items()]
    (actual,) = before
    begin = {one: actual[one] for one in actual if one not in told_rules(puzzle)}
    (then,) = worlds(puzzle, {**begin, name: forced})
    assert actual[name] != forced
    changed = puzzle.kind == "intervention" and then[goal] != actual[goal]
    held = puzzle.kind == "counterfactual" and then[goal]
    return "yes" if changed or held else "no"


BY_BRUTE_FORCE: dict[str, Callable[[Puzzle], str]] = {
    "root-cause": root_cause,
    "intervention": structural,
    "counterfactual": structural,
    "d-separation": d_separation,
    "confounding": confounding,
    "chain": chain,
}


def drawn(kind: str, seed: int, size: int, count: int) -> list[Puzzle]:
    return draw_puzzles(count, seed, kinds=[kind], sizes=[size])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), size=st.integers(3, 7))
def test_every_answer_is_that_of_brute_force_on_the_words_alone(
    kind: str, seed: int, size: int
) -> None:
    for puzzle in drawn(kind, seed, size, count=12):
        edges = {(by, name) for name, (_, all_by) in told_rules(puzzle).items() for by in all_by}
        assert {*puzzle.edges} == (edges if kind in STRUCTURAL else told_edges(puzzle))
        assert puzzle.answer == BY_BRUTE_FORCE[kind](puzzle)
        assert puzzle.answer == solved(puzzle)
        assert all(name in puzzle.question for name in puzzle.asked + puzzle.given)
        assert puzzle.size == len(names_of({*puzzle.edges})) == size


def test_there_are_six_kinds_and_each_has_several_wordings() -> None:
    assert {*KINDS} <= {*PUZZLES.names()}
    for kind in KINDS:
        puzzles = drawn(kind, 1, 5, count=45)
        asked = {puzzle.question.rpartition(". ")[2] for puzzle in puzzles}
        names = {name: "_" for puzzle in puzzles for name in names_of({*puzzle.edges})}
        pattern = re.compile("|".join(rf"\b{name}\b" for name in sorted(names, key=len)[::-1]))
        assert len({re.sub(r"\d+", "", pattern.sub("_", one)) for one in asked}) >= 3
        assert {puzzle.naming for puzzle in puzzles} == {*NAMINGS}


# -- traces ---------------------------------------------------------------------------------------


@each_kind
def test_edges_are_in_the_order_in_which_the_question_tells_them(kind: str) -> None:
    for puzzle in drawn(kind, 2, 6, count=30):
        rules = told_rules(puzzle).items()
        told = [(cause, effect) for effect, (_, causes) in rules for cause in causes]
        assert [*puzzle.edges] == (told or edges_in_order(puzzle))


@each_kind
def test_a_trace_tells_the_edges_of_its_own_puzzle_and_ends_in_its_answer(kind: str) -> None:
    for puzzle in drawn(kind, 2, 6, count=30):
        arrows = re.findall(r"(?:: |, )([^,:]+) ← ([^,:.]+)", puzzle.think.partition("\n")[0])
        assert [(cause, effect) for effect, cause in arrows] == [*puzzle.edges]
        written = completion_of(puzzle)
        assert read_answer(written) == puzzle.answer == solved(puzzle)
        assert is_right(puzzle, written)
        assert "\n\n" not in written
        assert all(name in puzzle.think for name in puzzle.asked)
    assert len({puzzle.causality for puzzle in drawn(kind, 2, 6, count=30)}) == 30


def test_a_trace_of_d_separation_tells_every_path_and_whether_it_is_open() -> None:
    for puzzle in drawn("d-separation", 3, 6, count=60):
        edges, (one, other) = {*puzzle.edges}, puzzle.asked
        expected = {
            tuple(path): is_open(edges, path, {*puzzle.given})
            for path in ways(either_way(edges), one, other)
        }
        told = {}
        for line in puzzle.causality.splitlines()[:-1]:
            path = tuple(re.split(r" [←→] ", line.partition(":")[0]))
            told[path] = line.endswith(": open.")
        assert told == expected


@pytest.mark.parametrize("kind", STRUCTURAL)
def test_a_trace_computes_each_variable_of_the_world_as_it_is(kind: str) -> None:
    for puzzle in drawn(kind, 4, 6, count=30):
        begins = "As it is:" if kind == "intervention" else "So it was:"
        told = puzzle.causality.partition(begins)[2].strip().splitlines()[: puzzle.size]
        values = {line.split(" = ")[0]: line[-1] == "1" for line in told}
        assert values in list(worlds(puzzle, {}))
        assert told_facts(puzzle).items() <= values.items()


# -- drawn ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_puzzles_and_no_two_are_alike() -> None:
    puzzles = draw_puzzles(144, seed=5)
    assert puzzles == draw_puzzles(144, seed=5)
    assert puzzles != draw_puzzles(144, seed=6)
    assert len({puzzle.question for puzzle in puzzles}) == 144
    assert {*Counter((one.kind, one.size, one.naming) for one in puzzles).values()} == {2}


def test_yes_is_as_frequent_as_no_in_each_kind_size_and_naming() -> None:
    answers = Counter(
        (one.kind, one.size, one.naming, len(one.given), one.answer)
        for one in draw_puzzles(432, seed=1)
        if one.asks == "yes-no"
    )
    for cell in product(KINDS[1:5], SIZES, NAMINGS, range(3)):
        assert abs(answers[(*cell, "yes")] - answers[(*cell, "no")]) <= 1
    assert len(answers) > 100


@pytest.mark.parametrize("kind", STRUCTURAL)
def test_which_variable_leads_to_which_hardly_tells_the_answer(kind: str) -> None:
    puzzles = drawn(kind, 1, 6, count=120)
    guessed = [reaches({*one.edges}, *one.asked) == (one.answer == "yes") for one in puzzles]
    assert 0.4 < sum(guessed) / len(guessed) < 0.65


def causes_asked_about(puzzle: Puzzle) -> str:
    edges, (goal,) = {*puzzle.edges}, puzzle.asked
    return shape(edge for edge in edges if edge[1] == goal or reaches(edges, edge[1], goal))


def test_causes_that_a_seen_root_cause_question_asks_about_are_not_drawn_again() -> None:
    """By graph alone 35 of these 40 were known."""
    draw = partial(draw_puzzles, seed=1, kinds=["root-cause"], naming=["letters"])
    seen = draw(60, sizes=[5, 6])
    known = {causes_asked_about(one) for one in seen}
    by_graph = draw(40, sizes=[7], without={one.graph for one in seen})
    assert sum(causes_asked_about(one) in known for one in by_graph) == 35
    shapes = {each for one in seen for each in one.shapes}
    others = draw(40, sizes=[7], without=shapes)
    assert not known & {causes_asked_about(one) for one in others}
    assert not {one.graph for one in seen} & {one.graph for one in others}


def test_graphs_that_are_left_out_are_not_drawn() -> None:
    seen = {puzzle.graph for puzzle in draw_puzzles(200, seed=1, sizes=[6])}
    others = draw_puzzles(20, seed=1, kinds=["d-separation"], sizes=[6], without=seen)
    assert not seen & {puzzle.graph for puzzle in others}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"kinds": ["astrology"]}, "root-cause"),
        ({"sizes": [2]}, "3 to"),
        ({"sizes": []}, "sizes"),
        ({"naming": ["runes"]}, "nonsense"),
        (
            {"kinds": ["chain"], "sizes": [3], "without": [shape([("A", "B"), ("B", "C")])]},
            "larger",
        ),
    ],
)
def test_what_can_not_be_drawn_is_refused(asked: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        draw_puzzles(**{"count": 3, "seed": 0, "naming": ["letters"], **asked})  # type: ignore[arg-type]


def test_without_networkx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ExperimentError, match=r"pip install '\.\[finetune\]'"):
        draw_puzzles(1, seed=0, kinds=["root-cause"])


# -- shapes -------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from(PUZZLES.names()), st.randoms(use_true_random=False))
def test_a_shape_does_not_depend_on_names_or_order(
    seed: int, kind: str, rng: random.Random
) -> None:
    (puzzle,) = draw_puzzles(1, seed, kinds=[kind])
    names = sorted(names_of({*puzzle.edges}))
    other = dict(zip(names, rng.sample(range(100), len(names)), strict=True))
    renamed = [(str(other[cause]), str(other[effect])) for cause, effect in puzzle.edges]
    assert shape(rng.sample(renamed, len(renamed))) == puzzle.graph


@pytest.mark.parametrize(("size", "graphs"), [(3, 6 - 2), (4, 31 - 6), (5, 302 - 31)])
def test_every_shape_has_a_hash_of_its_own(size: int, graphs: int) -> None:
    """As many as there are (OEIS A003087), less those with a variable that has no edge."""
    pairs = list(combinations("ABCDE"[:size], 2))
    found = set()
    for chosen in product((False, True), repeat=len(pairs)):
        edges = {pair for pair, is_in in zip(pairs, chosen, strict=True) if is_in}
        if len(names_of(edges)) == size:
            found.add(shape(edges))
    assert len(found) == graphs


# -- answers read -------------------------------------------------------------------------------

TRACE = "<think>\nTold: W → B.\n<causality>\nSo no.\n</causality>\n"
SPECIAL = "<|im_start|>think\nTold: W → B.\n<|im_start|>causality\nSo no.\n"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (f"{TRACE}</think>\nyes", "yes"),
        (f"{TRACE}</think>\n\n W. \n\nThat is it.", "W"),
        (f"{TRACE}I think again.\n</think>\nW", "W"),
        (f"{TRACE}</think>\n", None),
        (TRACE, None),
        ("<causality>\nSo no.\n</causality>\nno", None),
        (f"{SPECIAL}\nW", "W"),
        (SPECIAL.replace("<|im_start|>", "") + "\nW", "W"),  # special tokens skipped in decoding
        (f"{SPECIAL}<|im_start|>answer\nW is it.", "W is it"),
        (SPECIAL, None),
        ("\nyes\n\nno", "yes"),
        ("Answer:\nyes", "yes"),
        ("The final answer: W.", "W"),
        ("", None),
    ],
)
def test_an_answer_is_read_after_the_trace_only(text: str, answer: str | None) -> None:
    assert read_answer(text) == answer


@pytest.mark.parametrize(
    ("asks", "right", "written", "counts"),
    [
        ("yes-no", "yes", "Yes, it does", True),
        ("yes-no", "yes", "No: yes would be wrong", False),
        ("yes-no", "yes", "It depends", False),
        ("yes-no", "yes", "Answer:\nyes", True),
        ("yes-no", "yes", "No cause is hidden, so yes.", True),
        ("number", "3", "3.5", False),
        ("variable", "W", "W", True),
        ("variable", "W", "W is the root cause of B", True),
        ("variable", "W", "w", False),
        ("variable", "W", "W or C", False),
        ("variables", "C, W", "W and C", True),
        ("variables", "C, W", "W", False),
        ("variables", "none", "None.", True),
        ("variables", "none", "W", False),
        ("variables", "none", "I can't say", False),
        ("number", "3", "in 3 steps", True),
        ("number", "3", "13", False),
        ("number", "3", "It passes C.\n\nSo the answer is 3.", True),
        ("yes-no", "yes", "We look at the graph.\n\nYes, it does.", True),
        ("variable", "W", "The answer is:\n\nW occurs.", True),
        ("variable", "W", "C causes B.\nThe answer is **W**.", True),
        ("variable", "W", "C causes B.\nThe answer is C.", False),
    ],
)
def test_what_counts_as_right(asks: str, right: str, written: str, counts: bool) -> None:
    edges = [("W", "C"), ("W", "B"), ("C", "B")]
    (puzzle,) = draw_puzzles(1, seed=0, kinds=["chain"], naming=["letters"])
    changed = {"asks": asks, "answer": right, "edges": edges, "asked": ("B",)}
    assert is_right(puzzle.model_copy(update=changed), written) is counts


@pytest.mark.parametrize(
    ("asks", "written", "bare"),
    [
        ("yes-no", f"{TRACE}</think>\nno", True),
        ("yes-no", "yes", True),
        ("yes-no", "Yes, it does", False),
        ("yes-no", "yes\n\nThat is why.", False),
        ("number", "3", True),
        ("number", "3 steps", False),
        ("variable", "W.", True),
        ("variable", "W causes it", False),
        ("variables", "C, W", True),
        ("variables", "none", True),
        ("variables", "Z", False),
        ("variables", TRACE, False),
    ],
)
def test_which_answers_are_bare(asks: str, written: str, bare: bool) -> None:
    edges = [("W", "C"), ("W", "B"), ("C", "B")]
    (puzzle,) = draw_puzzles(1, seed=0, kinds=["chain"], naming=["letters"])
    changed = {"asks": asks, "edges": edges, "asked": ("B",)}
    assert is_bare_answer(puzzle.model_copy(update=changed), written) is bare


def test_a_prompt_is_the_question_alone() -> None:
    (puzzle,) = draw_puzzles(1, seed=0, kinds=["chain"])
    assert prompt_of(puzzle) == f"{puzzle.question}\n"
