"""Twins: states that mean the same. Hold-outs keep them together, and splits tell of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from the_experiment.base.errors import ExperimentError
from the_experiment.base.seeds import Integers
from the_experiment.data.folder import DatasetFolder
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import By, HoldOut
from the_experiment.data.split import HeldOutMeanings, Split
from the_experiment.report.summaries import dataset_summary
from the_experiment.worlds import World, find_world
from the_experiment.worlds.catalog import world_names
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.generated import GeneratedWorld, ProgramWorld, pool
from the_experiment.worlds.generators import PROGRAMS, Generated, Random, below
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.programs.interpreter import answer_of
from the_experiment.worlds.programs.syntax import NAME, RESERVED, with_names_in_order

SEED = 42
BOTH: tuple[By, ...] = ("text", "meaning")
BY_TEXT = {  # held-out texts with a seen twin, where a tenth is held out by text
    "arithmetic": 54,
    "binding": 3,
    "booleans": 0,
    "counterfactuals": 0,
    "counters": 1,
    "exceptions": 0,
    "fibonacci": 73,
    "increments": 0,
    "integers": 0,
    "logic": 157,
    "multi-step": 15,
    "progressions": 29,
    "range-lines": 11,
    "ranges": 11,
    "word-problems": 46,
}
GENERATED = [name for name in world_names() if isinstance(find_world(name), GeneratedWorld)]
UNREAD = """\
name: unread
inputs: {A: bool, B: bool, C: bool, D: bool, E: bool, X: bool, Y: bool, Z: bool}
rules: {newA: A XOR C, newB: NOT D, newC: B AND E, newD: A OR newB}
prompt: "{A},{B},{C},{D},{E},{X},{Y},{Z}"
completion: "\\n{newA},{newB},{newC},{newD}\\n{A + B + C + D + E} - {newA + newB + newC + newD}\\n"
"""


def seen_twins(world: World, held_out: Integers) -> int:
    """How many held-out states mean what one that isn't held out means."""
    meanings = world.meanings(world.states())
    return int(np.isin(meanings[held_out], np.delete(meanings, held_out)).sum())


# -- what texts mean -----------------------------------------------------------------------------


@given(st.sampled_from(PROGRAMS.names()), st.integers(0, 2**32 - 1), st.randoms())
def test_a_program_means_the_same_whatever_its_variables_are_called(
    generator: str, seed: int, rng: random.Random
) -> None:
    program, answer, _ = PROGRAMS[generator](4, np.random.RandomState(seed))
    names = sorted({*NAME.findall(program)} - {*RESERVED, *WORDS})
    others = rng.sample([f"{letter}{number}" for letter in "pqr" for number in range(9)], 26)
    renaming = dict(zip(names, others, strict=False))
    renamed = NAME.sub(lambda found: renaming.get(found[0], found[0]), program)
    assert renamed != program
    assert answer_of(renamed) == answer == answer_of(with_names_in_order(program))
    assert with_names_in_order(renamed) == with_names_in_order(program)


WORDS = {"and", "else", "except", "finally", "for", "if", "in", "not", "or", "raise", "try"} | {
    *("True", "False", "while", "pass", "break", "continue")
}


@pytest.mark.parametrize(
    "other", ["a=9\nb=a\n#b:", "a=8\nb=a\n#a:", "a=8\nb=8\n#b:", "b=a\na=8\n#b:", "a = 8\nb=a\n#b:"]
)
def test_programs_that_differ_in_more_than_names_mean_something_else(other: str) -> None:
    assert with_names_in_order("x=8\ny=x\n#y:") != with_names_in_order(other)


def asked(*questions: tuple[str, dict[str, object]]) -> Integers:
    """The meanings of questions whose answer is 12."""
    drawn = iter(range(10**6))

    def made(seq_len: int, rng: Random) -> Generated:  # noqa: ARG001
        text, metadata = questions[next(drawn) % len(questions)]
        return text, 12, metadata

    world = GeneratedWorld("asked", made, Domain(1, 1), len(questions))
    order = [world.prompts(world.states()).index(text) for text, _ in questions]
    return world.meanings(world.states())[order]


def test_questions_mean_the_same_in_other_words_but_not_with_other_numbers() -> None:
    sum_ = {"kind": "arithmetic", "operations": ["+"]}
    one, same, turned, other, distracted = asked(
        ("What is 5 + 7?", {**sum_, "operands": [5, 7]}),
        ("5 plus 7 equals?", {**sum_, "operands": [5, 7]}),
        ("What is 7 + 5?", {**sum_, "operands": [7, 5]}),
        ("What is 4 + 8?", {**sum_, "operands": [4, 8]}),
        ("Ann is 3. What is 5 + 7?", {**sum_, "operands": [5, 7], "distractors": [3]}),
    ).tolist()
    assert one == same
    assert len({one, turned, other, distracted}) == 4


def test_what_a_generator_tells_is_believed_and_one_that_tells_nothing_is_its_text() -> None:
    one, same, other, silent, more = asked(
        ("twelve?", {"meaning": "12"}),
        ("a dozen?", {"meaning": "12"}),
        ("XII?", {"meaning": "roman"}),
        ("12?", {}),
        ("10 + 2?", {"kind": "sum", "operands": [10, 3], "operations": ["+"]}),  # is not 12
    ).tolist()
    assert one == same
    assert len({one, other, silent, more}) == 4


def test_no_two_texts_with_other_answers_mean_the_same() -> None:
    def said(seq_len: int, rng: Random) -> Generated:
        number = below(rng, 10**seq_len)
        return f"{number}?", number % 2, {"meaning": "parity"}

    world = GeneratedWorld("said", said, Domain(1, 1), 10)
    assert len({*world.meanings(world.states()).tolist()}) == 2


def test_programs_of_another_package_mean_what_they_do_up_to_names() -> None:
    def counted(seq_len: int, rng: Random) -> Generated:
        name = "pqrs"[below(rng, 4)]
        return f"{name} = {seq_len}\n#{name}:", seq_len, {}

    world = ProgramWorld("counted", counted, Domain(1, 3), 4)
    assert len({*world.meanings(world.states()).tolist()}) == 3


@pytest.mark.parametrize("name", GENERATED)
def test_meanings_are_the_same_each_time(name: str) -> None:
    pool.cache_clear()
    world = find_world(name)
    world.prompts(world.states())
    meanings = world.meanings(world.states())
    assert meanings.shape == (world.size,)
    assert (meanings >= 0).all()
    assert (world.cases("answer", world.states()[::-1]) == meanings[::-1]).all()
    assert world.has_twins == (len(np.unique(meanings)) < world.size)


def test_the_number_of_a_meaning_is_the_same_everywhere() -> None:
    world = find_world("fibonacci")
    assert world.meanings(world.states()[:2]).tolist() == [423320228346638574, 2620540050761294015]


# -- hold-outs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENERATED)
def test_by_text_twins_of_what_is_held_out_are_seen_and_by_meaning_none(name: str) -> None:
    world = find_world(name)
    by_text = HoldOut(fraction=0.1, by="text").resolve(world, SEED)
    assert len(by_text) == world.size // 10
    assert seen_twins(world, by_text) == BY_TEXT[name]
    by_meaning = HoldOut(fraction=0.1).resolve(world, SEED)
    assert seen_twins(world, by_meaning) == 0
    meanings = world.meanings(world.states())
    assert len({*meanings[by_meaning]}) == round(0.1 * len({*meanings}))
    assert (HoldOut(fraction=0.1).resolve(find_world(name), SEED) == by_meaning).all()
    if not world.has_twins:
        assert (by_meaning == by_text).all()


SMALL = [find_world(name) for name in ("fibonacci", "logic", "word-problems")]
SMALL.append(world_from_text(UNREAD, "unread"))


@given(
    st.sampled_from(SMALL),
    st.lists(st.integers(0, 255), min_size=1, max_size=3),
    st.sampled_from((0.0, 0.1, 0.4)),
    st.integers(0, 2**32),
)
def test_no_hold_out_by_meaning_leaves_a_twin(
    world: World, named: list[int], fraction: float, seed: int
) -> None:
    sequences = world.prompts(world.states_at(np.array(named, dtype=np.int64)))
    where = f"{next(iter(world.inputs))} == 3" if fraction else ""
    hold_out = HoldOut(sequences=tuple(sequences), fraction=fraction, where=where)
    held_out = hold_out.resolve(world, seed)
    assert (np.diff(held_out) > 0).all()
    assert {*named} <= {*held_out.tolist()}
    assert seen_twins(world, held_out) == 0


@pytest.mark.parametrize("name", ["causal", "modular", "relay"])
def test_where_every_state_has_a_meaning_of_its_own_both_ways_are_one(name: str) -> None:
    world = find_world(name)
    assert not world.has_twins
    for seed in range(5):
        by_text, by_meaning = (
            HoldOut(fraction=0.3, where=f"{next(iter(world.inputs))} == 1", by=by) for by in BOTH
        )
        assert (by_text.resolve(world, seed) == by_meaning.resolve(world, seed)).all()


def test_of_inputs_that_nothing_reads_every_value_is_held_out() -> None:
    world = world_from_text(UNREAD, "unread")
    assert world.size == 256
    assert seen_twins(world, HoldOut(fraction=0.5, by="text").resolve(world, SEED)) == 128
    held_out = HoldOut(fraction=0.5).resolve(world, SEED)
    assert (len(held_out), len({*world.meanings(world.states_at(held_out))})) == (128, 16)
    named = HoldOut(sequences=("1,1,1,1,1,0,1,0",)).resolve(world, SEED)
    assert named.tolist() == [*range(248, 256)]
    with pytest.raises(ExperimentError, match=r"all 256 states .* with those that mean the same"):
        HoldOut(where="X").resolve(world, SEED)


def test_large_worlds_are_numbered_only_where_it_is_needed() -> None:
    names = [f"A{number}" for number in range(30)]
    inputs = ", ".join(f"{name}: bool" for name in names)
    text = f"name: wide\ninputs: {{{inputs}}}\nprompt: '{''.join(f'{{{name}}}' for name in names)}'"
    every = world_from_text(
        f"{text}\nrules: {{sum: {' + '.join(names)}}}\ncompletion: '-{{sum}}'\n", "wide.yaml"
    )
    sequence = "01" * 15
    assert len(HoldOut(sequences=(sequence,)).resolve(every, 0)) == 1
    some = world_from_text(f"{text}\nrules: {{one: A0}}\ncompletion: '-{{one}}'\n", "wide.yaml")
    assert len(HoldOut(sequences=(sequence,), by="text").resolve(some, 0)) == 1
    held_out = some.states_at(HoldOut(sequences=(sequence,)).resolve(some, 0))
    assert len(held_out) > 10_000  # a sample of half of all states
    assert not held_out[:, 0].any()
    with pytest.raises(ExperimentError, match="--hold-out-by text"):
        HoldOut(where="A1").resolve(some, 0)
    assert len(HoldOut(where="A1 AND A0", by="text").resolve(some, 0)) == 10_000


# -- splits, and what is told of them ------------------------------------------------------------


def generated(place: Path, world: World, hold_out: HoldOut, rows: int = 20_000) -> DatasetFolder:
    return generate(world, hold_out, Sizes(train=rows, valid=0, test=0), SEED, place / "data")


def counts_by_part(split: Split) -> dict[str, tuple[int, int]]:
    """For each part: how many cases are held out, and how many of them are new."""
    found = {part: split.cases([part]) for part in split.world.parts}
    return {part: (len(cases), int(cases.new.sum())) for part, cases in found.items()}


def test_a_quadrant_is_one_case_of_the_rules(tmp_path: Path) -> None:
    folder = generated(tmp_path, find_world("causal"), HoldOut(where="A AND C"))
    *_, conclusion = dataset_summary(folder).splitlines()
    assert conclusion == (
        "n = 1 new case of the rules, however many states and rows there are: a model right in it "
        "has a 95% interval (Wilson) of 21% to 100% on such cases."
    )


def test_a_split_tells_which_parts_meet_new_cases(tmp_path: Path) -> None:
    folder = generated(tmp_path, find_world("causal"), HoldOut(fraction=0.1875))
    split = Split(folder.manifest)
    assert counts_by_part(split) == {
        "newA": (3, 0),
        "newB": (2, 0),
        "newC": (3, 0),
        "newD": (4, 0),
        "sum": (6, 6),
        "sum2": (6, 6),
    }
    assert split.held_out_meanings == HeldOutMeanings(6, 6, 0, 0)
    told = dataset_summary(folder).splitlines()
    assert told[3:5] == [
        "Cases that were all seen in other states: newA (3), newB (2), newC (3), newD (4).",
        "New cases: sum (6 of 6), sum2 (6 of 6).",
    ]
    assert told[5] == (
        "n = 6 new cases of the rules, not states or rows: a model right in all of them has a 95% "
        "interval (Wilson) of 61% to 100% on such cases."
    )


def test_where_every_held_out_state_has_a_seen_twin_nothing_is_new(tmp_path: Path) -> None:
    world = world_from_text(UNREAD, "unread")
    folder = generated(tmp_path, world, HoldOut(fraction=0.5, by="text"))
    told = Split(folder.manifest).held_out_meanings
    assert (told.meanings, told.unseen, told.seen_twins) == (32, 0, 128)
    *_, twins, conclusion = dataset_summary(folder).splitlines()
    assert twins == (
        "seen in other words: 128 held-out states mean the same as one in the training rows"
    )
    assert conclusion.startswith("n = 0: every held-out state means the same as one in the train")
    assert conclusion.endswith("nothing is held out in what the rules read.")


@pytest.mark.parametrize(("by", "unseen", "twins"), [("text", 23, 73), ("meaning", 57, 0)])
def test_n_counts_new_meanings(tmp_path: Path, by: By, unseen: int, twins: int) -> None:
    folder = generated(tmp_path, find_world("fibonacci"), HoldOut(fraction=0.1, by=by))
    split = Split(folder.manifest)
    told = split.held_out_meanings
    assert (told.unseen, told.seen_twins) == (unseen, twins)
    assert counts_by_part(split) == {"answer": (told.meanings, unseen)}
    said = dataset_summary(folder)
    assert f"n = {unseen} new cases of the rules, not states or rows" in said
    assert ("seen in other words: 73 held-out states" in said) == bool(twins)


def test_twins_of_the_sequences_named_are_told(tmp_path: Path) -> None:
    world = world_from_text(UNREAD, "unread")
    sequences = ("1,1,1,1,1,0,1,0", "1,1,1,1,1,0,0,0")
    folder = generated(tmp_path, world, HoldOut(sequences=sequences))
    assert Split(folder.manifest).held_out_meanings == HeldOutMeanings(1, 1, 0, 6)
    said = dataset_summary(folder)
    assert "6 of them mean the same as a sequence named by -o" in said
    assert "n = 1 new case of the rules, however many states and rows there are" in said


@pytest.mark.slow
def test_a_split_of_a_large_world_is_told(tmp_path: Path) -> None:
    names = [f"A{number}" for number in range(18)]
    rules = ", ".join(f"r{number}: A{number} XOR A{number + 1}" for number in range(16))
    world = world_from_text(
        f"name: wide\ninputs: {{{', '.join(f'{name}: bool' for name in names)}}}\n"
        f"rules: {{{rules}}}\nprompt: '{''.join(f'{{{name}}}' for name in names)}'\n"
        f"completion: '-{''.join(f'{{r{number}}}' for number in range(16))}'",
        "wide",
    )
    folder = generated(tmp_path, world, HoldOut(fraction=0.5), rows=50_000)
    split = Split(folder.manifest)
    assert len(split.held_out) == 2**17
    assert world.prompts(split.held_out) == folder.manifest.held_out
    assert len(split.seen) > 10_000
    assert {new for _, new in counts_by_part(split).values()} == {0}
    assert split.held_out_meanings.unseen == 65_536
