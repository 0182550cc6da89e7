"""Prompts around programs, and what is read from the answers to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from the_experiment.base.errors import UsageError
from the_experiment.worlds.answers import parse_boolean, parse_integer, parse_yes_no
from the_experiment.worlds.programs.prompts import (
    BOOLEAN_LOGIC,
    PROMPTS,
    VARIABLE_BINDING,
    fill_prompt,
    parse_variable_binding,
    parser_for,
)

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
        ("No, it is not.", None),
        ("No, it is false.", False),
        ("True\nb = False", True),
        ("True or False", None),
        ("x is not True", False),
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
        assert fill_prompt(template, code) == before + code + after
    assert fill_prompt("{a} {code} {", code) == f"{{a}} {code} {{"


def test_a_prompt_without_a_place_for_the_program_is_refused() -> None:
    with pytest.raises(UsageError, match="no place for the program"):
        fill_prompt("What is x?", "x = 1")


READ = [
    ("Answer:42", 42),
    ("The answer is:-7", -7),
    ("x:1,200", 1200),
    ("Answer:7:30", None),
    ("x = 3.5 + 2", None),
    ("The answer is 12.5km", None),
    ("It is 7:30", None),
    ("It is 3/4", None),
    ("1.234", None),
    (".5", None),
    ("3,6", None),
    ("12–5", None),
    ("7 x 6 = 42", 42),
    ("7 · 6 = 42", 42),
    ("7 ⋅ 6 = 42", 42),
    ("3*4*5 = 60", 60),
    ("12 minus 5 = 7", 7),
    ("15 pens + 3 pens = 18 pens", 18),
    ("The answer is $9{,}500.", 9500),
    ("\\boxed{9{,}500}", 9500),
    ("1 000", 1000),
    ("1\u202f000", 1000),
    ("50%", 50),
    ("x = 50%", 50),
    ("42km", 42),
    ("The answer is 42 km.", 42),
    ("*14*", 14),
    ("So it costs 12,345,678 dollars.", 12_345_678),
    ("negative 5", -5),
    ("The answer is minus 5", -5),
    ("–5", -5),
    ("Sue has 18 pens, which is 3 more than Ben's 15.", None),
    ("I need 3 more.", 3),
    ("The answer is not 41.", None),
    ("It is not 41 but 42.", 42),
    ("42</s>17", 42),
    ("42<|endoftext|>Next 17", 42),
    ("Answer: 42\n\nHow old is Tom?\nAnswer: 17", 42),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_a_number_is_one_piece(text: str, value: int | None) -> None:
    parsed = parse_integer(text)
    assert parsed.value == value
    assert bool(parsed.reason) == (value is None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The answer is not yes.", False),
        ("It isn't false.", True),
        ("It isn’t true.", False),
        ("No tailors are runners. So yes.", True),
        ("No tailors are runners, so no.", False),
        ("There is no cause.", None),
        ("Answer: Yes\n\nIs Tom old?\nAnswer: No", True),
        ("Answer:\nyes", True),
        ("No he is not", False),
        ("No\n\nReason: none", False),
        ("It is true that Ann is taller, so no.", False),
        ("true", True),
        ("yes</s>no", True),
        ("yes and no", None),
        ("Who knows?", None),
    ],
)
def test_yes_and_no_are_read_in_one_way(text: str, value: bool | None) -> None:
    parsed = parse_yes_no(text)
    assert parsed.value is value
    assert bool(parsed.reason) == (value is None)


FORMS = (
    "{}",
    "{:,}",
    "${:,}",
    "{}%",
    "{}km",
    "*{}*",
    "**{:,}**",
    "`{}`",
    "\\boxed{{{}}}",
    "\\({:,}\\)",
)
SENTENCES = (
    "{}",
    "The answer is {}.",
    "The answer is: {}",
    "#### {}",
    "So she pays {} in all.",
    "x = {}",
    "It is {}, I think.",
    "Sue has {} pens, which is 3 more than Ben's 15.",
    "3 + 4 = {}",
    "3 x 4 = {}",
    "3 pens + 4 pens = {} pens",
    "After 3 steps the answer is {}",
    "At 7:30 there were {}.",
    "It grows by 3.5 to {}",
    "The answer is not {}.",
    "Not 3 but {}",
    "{}</s>3",
    "Answer: {}\n\nHow old is Tom?\nAnswer: 3",
    "First 3, then 4, then {}.",
    "In 2020, 3 of 4 became {}",
    "between 3 and {}",
    "{} - 3 = 4",
)


def grouped(text: str, mark: str) -> str:
    """Thousands with another mark than a comma."""
    return text.replace(",", mark)


@settings(max_examples=300)
@given(
    value=st.integers(-(10**7), 10**7),
    form=st.sampled_from(FORMS),
    mark=st.sampled_from([",", "{,}", " ", "\u202f", "\u00a0"]),
    minus=st.sampled_from(["-", "−", "–", "minus ", "negative "]),
    sentence=st.sampled_from(SENTENCES),
)
def test_a_number_is_read_as_itself_or_not_at_all(
    value: int, form: str, mark: str, minus: str, sentence: str
) -> None:
    written = grouped(form.format(abs(value)), mark)
    text = sentence.format(minus * (value < 0) + written)
    others = {3, 4} if sentence.startswith("{} - 3") else set()  # a sum may be read by its result
    assert parse_integer(text).value in {value, None} | others, text


@pytest.mark.parametrize(
    ("text", "question", "cut", "value"),
    [
        ("She has 20 + 5 = 25 apples.\n#### 2", "", True, 25),
        ("She has 20 + 5 = 25 apples.\n#### 25", "", False, 25),
        ("It is the result of the subtraction of 2 from m", "", False, None),
        ("It is the sum of `i` and `i + 1`.", "", False, None),
        ("1. a = 6\n2. b = a", "Let a = 6. Let b = a. What is b?", False, None),
        ("a = 6, so b = 6.", "Let a = 6. Let b = a. What is b?", False, 6),
        ("a = 6.", "Let a = 6. Let b = a. What is a?", False, 6),
        ("```\nm=7\nk=m\n#k:\n```", "m=7\nk=m\n#k:", False, None),
        ("```\nk = 7\n```", "m=7\nk=m\n#k:", False, 7),
        ("7 - 6 = 1. That is 5 fewer than 6.", "What is 7 - 6?", False, 1),
        ("4 * 9 = 36. And 36 times 9 is 324.", "How much is 4 * 9?", False, 36),
        ("A loop over the numbers from 0 to 4.", "", False, None),
        ("12", "", True, 12),
        ("12\nQ: What is 5 + 5?\nA: 1", "", True, 12),
        ("So we add 5 and 7, which is", "", True, None),
        ("I think of 12 and add", "", True, None),
    ],
)
def test_what_was_told_or_cut_off_is_no_answer(
    text: str, question: str, cut: bool, value: int | None
) -> None:
    assert parse_integer(text, question, cut).value == value
