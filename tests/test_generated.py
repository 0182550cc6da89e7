"""Worlds of programs and questions: drawn once, each text a state, answered by running it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from looked_into import random_subject
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.runs import Run
from the_experiment.data.generate import Sizes, generate
from the_experiment.data.holdout import HoldOut
from the_experiment.evaluation.answers import answer
from the_experiment.evaluation.trained import Trained
from the_experiment.inside.verbs.patch import PatchMaps
from the_experiment.training.config import TrainConfig
from the_experiment.training.loop import train
from the_experiment.worlds import World, find_world
from the_experiment.worlds.files import world_from_text
from the_experiment.worlds.generated import GeneratedWorld, ProgramWorld, pool
from the_experiment.worlds.generators import Generated, Random, below
from the_experiment.worlds.parts import Domain
from the_experiment.worlds.programs.binding import make_variable_binding_program

BINDING = """\
name: small
programs: make_variable_binding_program
length: 3..4
hops: 1..2
count: 50
completion: " {answer}"
"""


def small(**changes: str) -> World:
    lines = dict(line.split(": ", 1) for line in BINDING.splitlines())
    text = "\n".join(f"{key}: {value}" for key, value in (lines | changes).items())
    return world_from_text(text, "here")


WORLD = small()


def even(seq_len: int, rng: Random) -> Generated:
    """Whether a number is even."""
    number = below(rng, 10**seq_len)
    return f"Is {number} even?", number % 2 == 0, {}


@given(st.integers(0, WORLD.size - 1))
def test_each_text_is_a_state_and_its_completion_is_read_back(number: int) -> None:
    states = WORLD.states_at(np.array([number]))
    (prompt,), (completion,) = WORLD.prompts(states), WORLD.completions(states)
    assert (WORLD.state(prompt) == states).all()
    assert WORLD.answer(prompt) == completion
    span = WORLD.spans(completion)["answer"]
    assert span is not None
    assert completion[span.start : span.end] == str(span.value)
    assert WORLD.grade(prompt, completion).exact
    assert not WORLD.grade(prompt, f" {span.value + 1}").exact
    assert {*prompt, *completion} <= {*WORLD.alphabet}
    assert len(prompt + completion) <= WORLD.longest


def test_no_text_comes_twice_and_the_same_are_drawn_again() -> None:
    prompts = WORLD.prompts(WORLD.states())
    assert len(set(prompts)) == WORLD.size == 200
    pool.cache_clear()
    assert small().prompts(WORLD.states()) == prompts


def test_length_and_hops_are_what_a_state_says() -> None:
    for (length, hops, _), prompt in zip(
        WORLD.states().tolist(), WORLD.prompts(WORLD.states()), strict=True
    ):
        lines = prompt.splitlines()
        values = dict(line.split("=") for line in lines[:-1])
        assert len(values) == length
        name, walked = lines[-1].strip("#:"), -1
        while name in values:
            name, walked = values[name], walked + 1
        assert walked == hops


@pytest.mark.parametrize(
    ("where", "held_out"), [("length == 4", 100), ("hops == 2", 100), ("answer == 7", None)]
)
def test_programs_are_held_out_by_length_hops_and_constant(
    tmp_path: Path, where: str, held_out: int | None
) -> None:
    folder = generate(WORLD, HoldOut(where=where), Sizes(train=500), 1, tmp_path / "data")
    hidden = {row["prompt"] for row in folder.rows("heldout")}
    assert hidden == set(folder.manifest.held_out)
    assert len(hidden) == (held_out or len(hidden)) > 0
    for split in ("train", "valid", "test"):
        assert not hidden & {row["prompt"] for row in folder.rows(split)}
    if where == "answer == 7":
        assert {row["completion"] for row in folder.rows("heldout")} == {" 7"}


def test_programs_are_held_out_by_what_their_generator_tells(tmp_path: Path) -> None:
    world = find_world("ranges")
    folder = generate(world, HoldOut(where="start == 11"), Sizes(train=500), 1, tmp_path / "data")
    assert folder.manifest.held_out
    for prompt in world.prompts(world.states()):
        name, _, start = prompt.splitlines()[0].partition(" = ")
        assert name
        assert (prompt in folder.manifest.held_out) == (start == "11")
    with pytest.raises(ExperimentError, match="known are length, number, answer, increment, start"):
        HoldOut(where="stop == 1").resolve(world, seed=0)


@given(st.integers(0, WORLD.size - 1))
def test_the_counterfactual_of_a_program_has_another_constant(number: int) -> None:
    (prompt,) = WORLD.prompts(WORLD.states_at(np.array([number])))
    assert WORLD.changeable == ["constant"]
    other = WORLD.neighbour(prompt, "constant")
    assert sum(a != b for a, b in zip(prompt, other, strict=True)) == 1
    answer = WORLD.answer(other)
    assert answer != WORLD.answer(prompt)
    assert answer.strip() not in prompt
    assert WORLD.counterfactual(prompt, {"constant": int(answer)}) == other
    assert WORLD.grade(other, answer).exact


def test_a_program_that_was_not_drawn_is_answered_but_is_no_state() -> None:
    assert WORLD.answer("x = 3\ny = x * 2\n#y:") == " 6"
    with pytest.raises(UsageError, match="not one of the 200 texts of world small"):
        WORLD.state("x = 3\ny = x * 2\n#y:")


def test_any_program_is_put_to_a_model_drawn_or_not(tmp_path: Path) -> None:
    data = generate(WORLD, HoldOut(where="hops == 2"), Sizes(train=60), 1, tmp_path / "data")
    config = TrainConfig(dataset=str(data.path), width=16, layers=1, heads=2, epochs=1)
    run = Run(tmp_path / "run")
    train(config, run)
    program = "x = 3\ny = x * 2\n#y:"
    found = answer(program, [Trained(run)])
    assert found.right == " 6"
    assert [one.shown for one in found.models] == ["in no training row"]
    with pytest.raises(UsageError):
        answer("no program", [Trained(run)])


def test_a_text_of_two_lengths_is_refused() -> None:
    world = GeneratedWorld("even", even, Domain(1, 2), 10)  # a number below 100 may be below 10
    with pytest.raises(ExperimentError, match="2 texts come in two lengths"):
        world.state("Is 3 even?")


def test_truth_values_are_written_as_words() -> None:
    world = GeneratedWorld("even", even, Domain(2, 2), 20, completion="\n{answer}.")
    completions = world.completions(world.states())
    assert set(completions) == {"\nyes.", "\nno."}
    for prompt, completion in zip(world.prompts(world.states()), completions, strict=True):
        assert (completion == "\nyes.") == (int(prompt.split()[1]) % 2 == 0)
        span = world.spans(completion)["answer"]
        assert span is not None
        assert span.value == (completion == "\nyes.")
    assert world.completions(world.states()[:1], {"answer": 0}) == ["\nno."]


def test_baselines_are_told_the_characters() -> None:
    features = WORLD.features(WORLD.states())
    (first,) = WORLD.prompts(WORLD.states()[:1])
    assert "".join(map(chr, features[0])).strip("\0").split("\0")[0] == first
    assert chr(features[0][-1]) == ":"


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"programs": "make_tea"}, "no program generator called 'make_tea'"),
        ({"hops": "1..3"}, "a program of 3 lines can't have a chain of 3 hops"),
        ({"count": "0"}, "count"),
        ({"length": "many"}, "neither bool nor an integer range"),
        ({"completion": "done"}, "has to have {answer} in it, once"),
        ({"lines": "3"}, "unknown key; known are name, programs, questions, length"),
    ],
)
def test_a_file_that_is_wrong_is_told_what_is(changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(ExperimentError) as raised:
        small(**changes).prompts(WORLD.states())
    assert complaint in str(raised.value)


def test_more_texts_than_there_are_can_not_be_had() -> None:
    world = GeneratedWorld("even", even, Domain(1, 1), 11)
    with pytest.raises(
        ExperimentError, match="only 10 different texts were found of length 1: lower it"
    ):
        world.prompts(world.states())


def test_hops_are_given_where_the_generator_asks_for_them() -> None:
    with pytest.raises(ExperimentError, match="takes num_hops"):
        GeneratedWorld("binding", make_variable_binding_program, Domain(3, 4), 5)
    with pytest.raises(ExperimentError, match="takes no num_hops"):
        GeneratedWorld("even", even, Domain(1, 2), 5, hops=Domain(1, 2))


@pytest.mark.parametrize("named", [False, True])
def test_texts_in_which_nothing_can_be_changed_are_patched_by_name_only(
    named: bool,
) -> None:
    world = GeneratedWorld("evens", even, Domain(2, 2), count=9)
    subject = random_subject("gpt2", world=world)
    with pytest.raises(UsageError, match="world evens have no input that can be changed: name two"):
        PatchMaps(sequence=world.example_prompt if named else None).run(subject)


def test_programs_with_every_digit_have_no_neighbour_and_are_passed_over() -> None:
    def every_digit(seq_len: int, rng: Random) -> Generated:
        program, answer, metadata = make_variable_binding_program(seq_len, rng, 1)
        lines = [f"{name}={digit}" for digit, name in enumerate("ABCDEFGHIJ")]
        full = "\n".join([*lines, program]) if below(rng, 2) else program
        return full, answer, metadata

    world = ProgramWorld("full", every_digit, Domain(2, 2), count=8)
    subject = random_subject("cnn", world=world)
    with pytest.raises(UsageError, match="every other constant"):
        [world.neighbour(prompt, "constant") for prompt in world.prompts(world.states())]
    assert PatchMaps().run(subject).sentences


def test_texts_of_many_lengths_are_drawn_once() -> None:
    calls = []

    def counting(seq_len: int, rng: Random) -> Generated:
        calls.append(seq_len)
        return even(seq_len, rng)

    world = GeneratedWorld("many", counting, Domain(1, 100), count=2)
    for _ in range(2):
        world.prompts(world.states())
        drawn = len(calls)
    world.prompts(world.states()[::-1])
    assert len(calls) == drawn <= 100 * 4
