"""Prompts around programs, and what is read from the answers to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from the_experiment.base.errors import UsageError
from the_experiment.worlds.programs.parsers import (
    parse_boolean,
    parse_integer,
    parse_variable_binding,
    parser_for,
)
from the_experiment.worlds.programs.prompts import BOOLEAN_LOGIC, PROMPTS, VARIABLE_BINDING, filled

INTEGERS = st.integers(-(10**12), 10**12)
# Ways to give a value, and what a model may go on with.
WAYS = (
    "{}",
    " {}\n\nx = 5",
    "{}, because x is 77 first.",
    "x={}",
    "Answer: **{}**",
    "The final value of x is {}.",
    "So `x` is now {} after 3 steps.",
    "<think>maybe 77, or 78</think>\n\n{}",
    "maybe 77</think>{}",
    "First x = 77. Then x = {}",
    "The answer is {}. To check: x = 77.",
    "1. x = 77\n2. x = 78\n3. x = {}",
    "Step 1: x = 77\nStep 2: x = {}\n\n### Final answer\n\n{}",
    "It is \\boxed{{{}}}, as 77 shows",
    "#### {}",
    "```\n{}\n```",
    "Answer: {}\n\nQuestion: what is 7?\nAnswer: 77",
    "To find the final value of x, we start with x = 77. Then x is {}.",
    "it ends at {}",
    "{}</s>",
    "{}<|im_end|>",
)


@given(value=INTEGERS, way=st.sampled_from(WAYS))
def test_a_whole_number_is_read_as_a_person_reads_it(value: int, way: str) -> None:
    text = way.format(value, value)
    parsed = parse_integer(text)
    assert (parsed.value, parsed.reason) == (value, ""), text
    assert type(parsed.value) is int
    assert parse_variable_binding(text) == parsed
    assert parse_variable_binding(f"#x: {text}").value == value


@given(value=st.booleans(), way=st.sampled_from(WAYS), lower=st.booleans())
def test_a_truth_value_is_read_as_a_person_reads_it(value: bool, way: str, lower: bool) -> None:
    said = str(value).lower() if lower else str(value)
    text = way.replace("77", str(not value)).replace("78", "False").format(said, said)
    assert parse_boolean(text).value is value, text


@given(st.integers(0, 999), st.integers(0, 999), st.sampled_from(["+", "-", "*"]))
def test_a_sum_is_worth_what_it_is_said_to_be(one: int, other: int, operator: str) -> None:
    total = {"+": one + other, "-": one - other, "*": one * other}[operator]
    for text in (f"{one} {operator} {other} = {total}", f"x = {one}{operator}{other}={total}"):
        assert parse_integer(text).value == total
    assert parse_integer(f"{one} {operator} {other}").value is None


@pytest.mark.parametrize("text", ["The answer is - 2", "x = - 2", "x is −2", "Result: - 2", "-2"])
def test_a_minus_may_stand_apart_from_its_number(text: str) -> None:
    assert parse_integer(text).value == -2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("no idea", "no whole number"),
        ("x1 is y2", "no whole number"),
        ("12.5", "12.5 is no whole number"),
        ("9" * 5_000, "99999999999999999999 is no whole number"),
        ("3, 6, 9", "several whole numbers (3, 6, 9) and no conclusion"),
        ("either 3 or 6", "several whole numbers (3, 6) and no conclusion"),
        ("2 + 2", "an expression without its value"),
        ("- 2\n", "no whole number"),  # an item of a list, or two below zero?
        ("x = 3 + 4 =", "cut off before its end"),
        ("x = 3\nx = 3 +", "cut off before its end"),
        ("<think>x is 12, so", "cut off before its end"),
    ],
)
def test_no_whole_number_has_a_reason(text: str, reason: str) -> None:
    parsed = parse_integer(text)
    assert (parsed.value, parsed.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True and False = False", False),
        ("not True = False", False),
        ("a and b is False because a is True", False),
        ("Since a is True, b is False.", False),
        ("No, it is not.", False),
        ("True\nb = False", True),
        ("True or False", None),
        ("x is not True", None),
        ("12", None),
    ],
)
def test_truth_values_within_expressions(text: str, value: bool | None) -> None:
    parsed = parse_boolean(text)
    assert parsed.value is value
    assert bool(parsed.reason) == (value is None)


def test_a_queried_variable_is_read_where_the_query_is_repeated() -> None:
    assert parse_variable_binding("#y: 5\nz=3\n#z: 3").value == 5
    assert parse_variable_binding("r = m = u = 8").value == 8
    assert parse_variable_binding(" True").value is True
    assert parse_variable_binding("what?").reason == "no whole number"


@settings(max_examples=60)
@given(st.text() | st.text(st.sampled_from("12 -+=.,\n#:<>think/TrueFalse*answer is")))
def test_any_text_has_a_value_or_a_reason(text: str) -> None:
    for parse in (parse_integer, parse_boolean, parse_variable_binding):
        parsed = parse(text)
        assert (parsed.value is None) == bool(parsed.reason)


def test_the_parser_goes_with_the_prompt_and_with_the_kind_of_answer() -> None:
    assert parser_for(VARIABLE_BINDING, 3) is parse_variable_binding
    assert parser_for(BOOLEAN_LOGIC, True) is parse_boolean
    assert parser_for("my own {code}", False) is parse_boolean
    assert parser_for("my own {code}", 0) is parse_integer


@given(st.text())
def test_a_prompt_keeps_the_program_and_its_own_braces(code: str) -> None:
    for template in PROMPTS.values():
        before, after = template.split("{code}")
        assert filled(template, code) == before + code + after
    assert filled("{a} {code} {", code) == f"{{a}} {code} {{"


def test_a_prompt_without_a_place_for_the_program_is_refused() -> None:
    with pytest.raises(UsageError, match="no place for the program"):
        filled("What is x?", "x = 1")
