"""Questions: drawn and read, wrong answers told apart, and models asked without their pieces."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from looked_into import close, random_model
from test_inside_verbs import said
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.data.tokenizer import character_tokenizer
from the_experiment.evaluation.statistics import corrected, drop_in_share, mean_drop
from the_experiment.experiments.questions import cells as question_cells
from the_experiment.experiments.questions.asking import Form, Given, QuestionsRequest
from the_experiment.experiments.questions.config import QuestionsExperiment
from the_experiment.experiments.questions.failures import (
    FORMAT,
    HALLUCINATION,
    INCOMPLETE,
    OFF_BY_ONE,
    OPPOSITE,
    RIGHT,
    WRONG_OPERATION,
    by_chance,
    judged,
)
from the_experiment.experiments.questions.results import Results, read_results
from the_experiment.experiments.running import run
from the_experiment.inside.hooked_model import HookedModel
from the_experiment.inside.interventions import pieces_of
from the_experiment.inside.silenced import ablated, means_of
from the_experiment.inside.sites import Site
from the_experiment.models.decoding import greedy
from the_experiment.worlds.generators import QUESTIONS
from the_experiment.worlds.questions.question import Question, question_of
from the_experiment.worlds.questions.reading import (
    GENERATORS,
    drawn_questions,
    question_sets,
    read_questions,
)

LENGTHS = {
    "arithmetic": (1, 6),
    "logic": (1, 4),
    "multi-step": (2, 6),
    "word-problems": (1, 4),
}
EVERY = [(kind, length) for kind, (low, high) in LENGTHS.items() for length in range(low, high + 1)]
ALPHABET = "".join(map(chr, range(32, 127))) + "\n"
FEW = "".join(sorted({*"0123456789", *"".join(one.text for one in read_questions("arithmetic"))}))
each_kind = pytest.mark.parametrize("kind", GENERATORS)

# -- drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "length"), EVERY)
def test_hundreds_of_each_kind_are_short_plain_and_tell_their_numbers(
    kind: str, length: int
) -> None:
    questions = drawn_questions(kind, 300, length, seed=3)
    assert questions == drawn_questions(kind, 300, length, seed=3)
    assert len({question.text for question in questions}) == 300
    for question in questions:
        assert question.text.isascii()
        assert "\n" not in question.text
        assert len(question.text) < 300
        numbers = sorted(map(int, re.findall(r"\d+", question.text)))
        assert numbers == sorted(question.operands + question.distractors)
        if not isinstance(question.answer, bool):
            assert question.answer >= 0
            assert question.answer not in question.distractors


@each_kind
def test_a_length_that_there_is_not_is_refused(kind: str) -> None:
    low, high = LENGTHS[kind]
    for length in (low - 1, high + 1):
        with pytest.raises(UsageError, match=f"{low} to {high}"):
            QUESTIONS[GENERATORS[kind][0]](length, np.random.RandomState(0))


def follows(text: str) -> bool:
    """The answer to a logic question, found by walking from premise to premise."""
    *premises, asked = re.findall(r"[^.?]+", text)
    is_a = {m[1]: m[2] + "s" for p in premises if (m := re.fullmatch(r" ?(\w+) is an? (\w+)", p))}
    leads: dict[tuple[str, bool], list[tuple[str, bool]]] = {}
    for premise in premises:
        if match := re.fullmatch(r" ?(All|No) (\w+) are (\w+)", premise):
            leads.setdefault((match[2], True), []).append((match[3], match[1] == "All"))
        elif match := re.fullmatch(r" ?(\w+) is \w+ than (\w+)", premise):
            leads.setdefault((match[1], True), []).append((match[2], True))
            leads.setdefault((match[2], False), []).append((match[1], False))
    if match := re.fullmatch(r" Is (\w+) an? (\w+)", asked):
        return reached(leads, [(is_a[match[1]], True)], match[2] + "s")
    match = re.fullmatch(r" Is (\w+) \w+ than (\w+)", asked)
    assert match
    return reached(leads, [(match[1], True), (match[1], False)], match[2])


def reached(
    leads: dict[tuple[str, bool], list[tuple[str, bool]]], start: list[tuple[str, bool]], goal: str
) -> bool:
    """Whether the goal is reached as a yes or as a no; it has to be one of them, and only one."""
    queue, found = deque(start), set()
    while queue:
        for there in leads.get(queue.popleft(), []):
            found |= {there[1]} if there[0] == goal else set()
            queue.append(there)
    (truth,) = found
    return truth


@pytest.mark.parametrize("steps", range(1, 5))
def test_logic_follows_from_the_premises_and_no_word_gives_it_away(steps: int) -> None:
    questions = drawn_questions("logic", 1_500, steps, seed=0)
    yes, there = Counter[str](), Counter[str]()
    for question in questions:
        assert follows(question.text) == question.answer
        for word in set(re.findall(r"\w+", question.text)):
            there[word] += 1
            yes[word] += bool(question.answer)
    for word, times in there.items():
        assert abs(yes[word] / times - 0.5) < 0.07 + 2 / times**0.5, word


def test_steps_in_words_lead_to_the_answer() -> None:
    verbs = {"Add": "+", "Subtract": "-", "Multiply by": "*"}
    for question in drawn_questions("multi-step", 200, 3, seed=1):
        if question.template == "orders":
            told = re.findall(r"(Add|Subtract|Multiply by) (\d+)", question.text)
            assert [verbs[verb] for verb, _ in told] == list(question.operations)
            assert [int(number) for _, number in told] == list(question.operands[1:])


# -- read -----------------------------------------------------------------------------------------


def test_the_sets_that_ship_are_as_large_as_promised() -> None:
    sizes = {name: len(read_questions(name)) for name in question_sets()}
    least = {"arithmetic": 8, "logic": 4, "multi-step": 5, "word-problems": 5}
    assert sizes.keys() == least.keys()
    assert all(sizes[name] >= least[name] for name in least)
    assert all(question.kind == name for name in sizes for question in read_questions(name))


GOOD = '{"question": "What is 2 + 3?", "answer": 5, "kind": "arithmetic"}\n'


@pytest.mark.parametrize(
    ("lines", "said_of_it"),
    [
        ("", "has no questions"),
        (GOOD + '{"question": "What?", "kind": "x"}\n', "line 2 has no answer"),
        (GOOD + '{"question": "What?", "answer": "five", "kind": "x"}\n', "line 2: the answer"),
        (GOOD + GOOD, "asked 2 times"),
        (GOOD[:-2] + ', "operands": [2, 3], "operations": ["*"]}\n', "don't give the answer"),
        ("{", "line 1 is not valid JSON"),
    ],
)
def test_a_file_that_is_no_set_of_questions_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, said_of_it: str
) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(lines)
    _, told = said(capsys, "questions", "list", str(file), code=1 if lines == "{" else 2)
    assert said_of_it in told


def test_drawn_questions_are_lines_of_a_file_of_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, _ = said(capsys, "questions", "list", "word-problems", "--draw", "30", "--length", "2")
    file = tmp_path / "mine.jsonl"
    file.write_text(told)
    assert read_questions(str(file)) == drawn_questions("word-problems", 30, 2, seed=42)
    told, _ = said(capsys, "questions", "list", "riddles", "--draw", "3", code=2)[::-1]
    assert "one of arithmetic, logic, multi-step, word-problems" in told


# -- kinds of wrong answers -----------------------------------------------------------------------

numbers = st.integers(1, 40)
operations = st.sampled_from("+-*")
steps = st.lists(st.tuples(operations, numbers), min_size=1, max_size=3)


def worked_out(first: int, taken: list[tuple[str, int]]) -> int:
    value = first
    for operation, number in taken:
        value = {"+": value + number, "-": value - number, "*": value * number}[operation]
    return value


def question_about(first: int, taken: list[tuple[str, int]]) -> Question:
    made_of = {
        "kind": "any",
        "operands": [first, *(number for _, number in taken)],
        "operations": [operation for operation, _ in taken],
    }
    return question_of(("How many?", worked_out(first, taken), made_of))


@given(numbers, steps, st.data())
def test_an_answer_by_another_operation_is_a_wrong_operation(
    first: int, taken: list[tuple[str, int]], data: st.DataObject
) -> None:
    question = question_about(first, taken)
    other = [(data.draw(operations), number) for _, number in taken]
    value = worked_out(first, other)
    found = judged(question, f" {value}\n")
    assert found.value == value
    assert found.kind == (RIGHT if value == question.answer else WRONG_OPERATION)
    if found.why:
        numbers_in_why = Counter(re.findall(r"\d+", found.why))
        assert numbers_in_why == Counter(map(str, question.operands))


@given(numbers, steps, st.integers(-5_000, 5_000))
def test_every_other_number_is_of_the_kind_that_its_distance_says(
    first: int, taken: list[tuple[str, int]], value: int
) -> None:
    question = question_about(first, taken)
    kind = judged(question, str(value)).kind
    assert (kind == RIGHT) == (value == question.answer)
    if abs(value - question.answer) == 1:
        assert kind in (OFF_BY_ONE, WRONG_OPERATION)
    elif kind == HALLUCINATION:
        halfway = {worked_out(first, taken[:count]) for count in range(len(taken))}
        assert value not in halfway
        assert not str(question.answer).startswith(str(value))


@pytest.mark.parametrize(
    ("written", "cut", "kind"),
    [
        ("", False, INCOMPLETE),
        (" I would say", True, INCOMPLETE),
        (" I would say", False, FORMAT),
        ("yes", False, FORMAT),
        ("4, 5, 6", False, FORMAT),
        ("4 apples", False, HALLUCINATION),
        ("it is 2", False, WRONG_OPERATION),  # 7 − 5, backwards
        (" 1", False, INCOMPLETE),
        ("5 + 7 = 12", False, RIGHT),
    ],
)
def test_answers_are_told_apart_by_their_form(written: str, cut: bool, kind: str) -> None:
    assert judged(question_about(5, [("+", 7)]), written, cut).kind == kind


@pytest.mark.parametrize("truth", [True, False])
def test_a_truth_value_is_right_or_the_opposite(truth: bool) -> None:
    question = Question(question="Is it?", answer=truth, kind="logic")
    kinds = [judged(question, text).kind for text in ("Yes.", " no", "It is not, so no", "yes, no")]
    right = [RIGHT, OPPOSITE, OPPOSITE] if truth else [OPPOSITE, RIGHT, RIGHT]
    assert kinds[:3] == right
    assert judged(question, "perhaps").kind == FORMAT


def test_a_number_that_does_not_count_is_known() -> None:
    question = Question(
        question="Tom has 9 pens and 5 keys. He loses 2 pens. How many pens has he?",
        answer=7, kind="x", operands=(9, 2), operations=("-",), distractors=(5,),
    )  # fmt: skip
    assert judged(question, "4") == judged(question, "9 - 5 = 4")
    assert judged(question, "4").why == "9 − 5"


def test_by_chance_the_answers_of_others_are_judged() -> None:
    five, six, forty = (
        question_about(*made) for made in ((2, [("+", 3)]), (2, [("*", 3)]), (10, [("+", 30)]))
    )
    assert by_chance([five, six])[WRONG_OPERATION] == 1.0
    assert by_chance([five, forty])[HALLUCINATION] == 1.0
    assert by_chance([five, six, forty])[WRONG_OPERATION] == 2 / 6
    assert by_chance([five]) == {}


# -- drops ----------------------------------------------------------------------------------------

answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


@given(answers)
def test_a_drop_in_share_is_a_gain_the_other_way_round(pairs: list[tuple[bool, bool]]) -> None:
    before, after = map(list, zip(*pairs, strict=True))
    drop, gain = drop_in_share(before, after), drop_in_share(after, before)
    assert (drop.drop, drop.p) == (-gain.drop, gain.p)
    assert -1 - 1e-9 <= drop.low <= drop.drop <= drop.high <= 1 + 1e-9
    assert drop.low == pytest.approx(-gain.high)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=8))
def test_a_mean_drop_is_tested_by_turning_signs(drops: list[float]) -> None:
    found = mean_drop(drops, [0.0] * len(drops), seed=0)
    ways = np.array(np.meshgrid(*[[-1, 1]] * len(drops))).reshape(len(drops), -1)
    as_far = np.abs(np.array(drops) @ ways) >= abs(sum(drops)) * (1 - 1e-9)
    assert found.p == pytest.approx(as_far.mean())
    assert found.low - 1e-9 <= found.drop <= found.high + 1e-9


def test_a_small_p_is_not_written_as_none() -> None:
    assert drop_in_share([True] * 60, [False] * 60).as_json()["p"] == float(f"{2**-59:.6g}")


def test_many_drops_are_corrected_together() -> None:
    one = drop_in_share([True] * 12, [False] * 8 + [True] * 4)
    assert one.p < 0.05
    assert corrected([one])[0].beyond_chance
    assert not corrected([one] * 10)[0].beyond_chance


# -- pieces silenced ------------------------------------------------------------------------------

PROMPTS = ["1+1", "12+34=", "7"]


def by_hand(model: Any, layer: int, head: int, held: Tensor) -> Any:
    """A hook of the output projection of a GPT-2 whose input is changed for one head."""

    def hook(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        changed = inputs[0].clone()
        size = changed.shape[-1] // model.config.n_head
        changed[..., head * size : (head + 1) * size] = held
        return (changed,)

    return model.transformer.h[layer].attn.c_proj.register_forward_pre_hook(hook)


def test_a_silent_head_is_its_slice_set_by_hand_while_text_is_written() -> None:
    tokenizer = character_tokenizer("0123456789+=")
    model = random_model("gpt2", len(tokenizer))
    model.transformer.h[1].attn.c_proj.weight.data *= 30.0  # so that it matters what they give
    hooked, site = HookedModel(model), Site("z", 1, 2)
    texts = [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]
    means = means_of(hooked, [site.whole], texts)
    held = [hooked.run(torch.tensor([text]), keep=[site.whole]).cache[site.whole] for text in texts]
    mean = torch.cat([one[0, :, 2] for one in held]).mean(0)
    close(means[site.whole][2], mean)
    plain = greedy(model, tokenizer, PROMPTS, 12)
    for given_means, value in ((None, torch.zeros(())), (means, mean)):
        with ablated(hooked, [site], given_means):
            found = greedy(model, tokenizer, PROMPTS, 12)
        hook = by_hand(model, 1, 2, value)
        model.generation_config.use_cache = False
        assert found == greedy(model, tokenizer, PROMPTS, 12)
        assert found != plain
        hook.remove()
        model.generation_config.use_cache = True
    assert greedy(model, tokenizer, PROMPTS, 12) == plain


@pytest.mark.parametrize("name", ["gpt2", "rnn", "cnn", "llama", "qwen3"])
def test_every_piece_makes_a_difference_and_comes_back(name: str) -> None:
    model = random_model(name)
    hooked, ids = HookedModel(model), torch.arange(3, 15)[None]
    before = hooked.run(ids).logits
    for kind in set(hooked.layout.components) - {"neuron"}:
        for sites in pieces_of(hooked, kind).values():
            with ablated(hooked, sites), torch.inference_mode():
                assert (model(input_ids=ids).logits - before).abs().max() > 1e-3
    close(hooked.run(ids).logits, before)


# -- the command ----------------------------------------------------------------------------------


def saved(folder: Path, name: str, alphabet: str = ALPHABET) -> Path:
    """A random model that reads every character, in Hugging Face layout."""
    tokenizer = character_tokenizer(alphabet)
    random_model(name, len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def asked(folder: Path, *words: str) -> tuple[str, ...]:
    """A call that asks few questions, but for what `words` say otherwise."""
    few = {"-m": str(folder), "--limit": "2", "--max-new-tokens": "3", "--style": "bare"}
    few |= {"--device": "cpu", "--out": str(folder.parent)}
    left = [
        word for option, value in few.items() if option not in words for word in (option, value)
    ]
    return ("questions", "run", *left, *words)


@pytest.mark.parametrize(
    ("name", "pieces"),
    [pytest.param("llama", 21, marks=pytest.mark.slow), ("qwen3", 21), ("rnn", 10)],
)
def test_any_model_is_asked_without_each_of_its_pieces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, pieces: int
) -> None:
    words = ("-q", "arithmetic", "--name", "mine", "--mode", "mean", "--style", "plain")
    told, _ = said(capsys, *asked(saved(tmp_path / "model", name), *words))
    folder = tmp_path / "questions" / "mine"
    results = json.loads((folder / "answers.json").read_text())
    assert len(results["without"]) == pieces
    assert all(len(given) == 2 for given in results["without"].values())
    assert "no ablation can lower the accuracy" in told
    assert said(capsys, "questions", "inspect", str(folder))[0] == told
    for picture in ("maps.png", "layers.png", "failures.png"):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    assert (folder / "report.html").read_text().count("plotly-graph-div") >= 3
    summary = json.loads((folder / "results.json").read_text())
    assert summary["accuracy"]["all"]["right"]["n"] == 2


def test_answers_that_are_cut_off_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(tmp_path / "model", "cnn")
    told, _ = said(capsys, *asked(model, "-q", "arithmetic", "--lite", "--name", "mine"))
    results = json.loads((tmp_path / "questions/mine/quick/answers.json").read_text())
    cut = [one["cut"] for one in results["whole"]]
    assert cut == [len(one["written"]) == 3 for one in results["whole"]]
    assert any(cut)  # a random model hardly ever ends a text
    assert f"{sum(cut)} answers of 2 were cut off at 3 tokens" in told


@pytest.mark.parametrize(("template", "tokens"), [("{{ messages[0].content }}", 128), ("", 32)])
def test_an_answer_in_a_chat_has_more_room(tmp_path: Path, template: str, tokens: int) -> None:
    model = saved(tmp_path / "model", "rnn")
    if template:
        tokenizer = AutoTokenizer.from_pretrained(model)
        tokenizer.chat_template = template
        tokenizer.save_pretrained(model)
    words = {"name": "mine", "model": str(model), "questions": ["arithmetic"], "limit": 1}
    pieces, _ = QuestionsExperiment.checked(**words, device="cpu").pieces(tmp_path)
    assert pieces.request.max_new_tokens == tokens == pieces.asker.max_new_tokens
    pieces, _ = QuestionsExperiment.checked(**words, max_new_tokens=5).pieces(tmp_path)
    assert pieces.request.max_new_tokens == 5


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = saved(tmp_path / "model", "cnn", FEW)
    experiment = QuestionsExperiment(
        name="mine",
        model=str(model),
        questions=["arithmetic"],
        limit=2,
        style="bare",
        max_new_tokens=3,
        device="cpu",
    )
    cells = tmp_path / "questions" / "mine" / "cells"
    without = question_cells.Pieces.answers_without

    def killed(self: question_cells.Pieces, piece: str) -> list[Given]:
        if piece == "layer:1":
            raise KeyboardInterrupt
        return without(self, piece)

    monkeypatch.setattr(question_cells.Pieces, "answers_without", killed)
    with pytest.raises(KeyboardInterrupt):
        run(experiment, tmp_path)
    likely = {cell.name for cell in cells.glob("log-probabilities-*.json")}  # these come first
    in_words = {cell.name[:-18] for cell in cells.glob("*.json") if cell.name not in likely}
    assert in_words < {"nothing", *(f"layer-{number}" for number in range(len(likely)))}
    assert "nothing" in in_words
    assert "layer-1" not in in_words
    with pytest.raises(ExperimentError, match="go on"):
        read_results(cells.parent)
    monkeypatch.setattr(question_cells.Pieces, "answers_without", without)
    whole = run(experiment, tmp_path)
    there = list(cells.glob("*.json"))
    assert len(there) - 1 - len(likely) == len(whole.files["answers.json"]["without"]) > 2

    times = {cell: cell.stat().st_mtime_ns for cell in there}
    changed = [*cells.glob("layer-0-*"), *cells.glob("layer-1-*")]
    changed[0].unlink()
    changed[1].write_text("[")
    assert run(experiment, tmp_path).figures == whole.figures
    again = {cell.name for cell in times if cell.stat().st_mtime_ns != times[cell]}
    assert again == {cell.name for cell in changed}

    (model / "chat_template.jinja").write_text("another prompt")  # it is another model now
    run(experiment, tmp_path)
    assert len(list(cells.glob("*.json"))) == 2 * len(there)


def test_both_replacements_are_shown_and_how_far_they_agree(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", "gpt2")
    asked = {"model": str(model), "questions": ["arithmetic"], "max_new_tokens": 3, "top": 2}
    found = {
        mode: run(QuestionsExperiment(name=f"mine-{mode}", mode=mode, **asked), tmp_path)
        for mode in ("zero", "mean", "both")
    }
    kept = {mode: one.files["answers.json"] for mode, one in found.items()}
    assert {*kept["both"]["logprobs"]} == {"zero", "mean"}
    for mode in ("zero", "mean"):
        assert kept["both"]["logprobs"][mode] == kept[mode]["logprobs"][mode]
        assert [*kept[mode]["logprobs"]] == [mode]
    assert kept["zero"]["logprobs"]["zero"] != kept["mean"]["logprobs"]["mean"]
    drops = found["both"].figures["ablations"]["drops"]
    assert [*drops] == [
        "accuracy",
        "log-probability, zero ablation",
        "log-probability, mean ablation",
    ]
    assert any("rank 16 heads with a Spearman" in one for one in found["both"].sentences)
    pieces = drops["log-probability, zero ablation"]
    assert len(pieces) == 4 * (4 + 3)  # heads, and a whole layer, its attention and its MLP
    # In words only those are asked again that cost most.
    whole = [one["logprob"] for one in kept["both"]["whole"]]
    cost = {
        piece: max(
            sum(whole) - sum(kept["both"]["logprobs"][mode][piece]) for mode in ("zero", "mean")
        )
        for piece in pieces
    }
    assert {*kept["both"]["without"]} == {*sorted(cost, key=cost.__getitem__)[-2:]}
    assert [*drops["accuracy"]] == [*kept["both"]["without"]]


def test_few_kinds_and_layers_are_ablated_where_that_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(tmp_path / "model", "gpt2")
    call = asked(model, "-q", "arithmetic", "--name", "mine", "--json")
    found = json.loads(said(capsys, *call, "--each", "head", "--each", "mlp", "--layers", "1")[0])
    pieces = [*found["ablations"]["drops"]["log-probability, zero ablation"]]
    assert pieces == ["head:1.0", "head:1.1", "head:1.2", "head:1.3", "mlp:1"]
    said(capsys, *call, "--each", "head", "--top", "0")
    kept = json.loads((tmp_path / "questions" / "mine" / "answers.json").read_text())
    assert (kept["without"], len(kept["logprobs"]["mean"])) == ({}, 16)
    for words, what in (
        (("--layers", "7"), "the model has layers 0 to 3"),
        (("--each", "gate"), "this model has no 'gate' to ablate"),
        (("--each", "brain"), "each"),
        (("--layers", "x"), "not a list of numbers"),
    ):
        assert what in said(capsys, *call, *words, code=2)[1]


def test_measurements_are_made_in_float32_unless_asked_otherwise(tmp_path: Path) -> None:
    model = saved(tmp_path / "model", "gpt2")
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
    loaded.save_pretrained(model)
    words = {"name": "mine", "model": str(model), "questions": ["arithmetic"], "limit": 1}
    for more, dtype in (({}, torch.float32), ({"dtype": "auto"}, torch.bfloat16)):
        pieces, _ = QuestionsExperiment.checked(**words, **more).pieces(tmp_path)
        assert pieces.asker.model.dtype == dtype


def test_asking_for_less_loses_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = asked(saved(tmp_path / "model", "cnn", FEW), "-q", "arithmetic", "--name", "mine")
    folder = tmp_path / "questions" / "mine"
    lite, _ = said(capsys, *words, "--lite")
    assert "without" not in lite
    assert said(capsys, "questions", "inspect", str(folder))[0] == lite
    whole, _ = said(capsys, *words)
    assert whole.splitlines()[1:4] == lite.splitlines()[1:4]
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert said(capsys, *words, "--lite")[0] == lite
    assert {path: path.read_bytes() for path in before} == before
    assert said(capsys, "questions", "inspect", str(folder))[0] == whole


def test_questions_that_are_too_long_are_left_out_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(tmp_path / "model", "gpt2")
    told, _ = said(capsys, *asked(model, "-q", "arithmetic", "-q", "logic", "--lite"))
    assert "2 questions without 2 too long for the model" in told
    summary, _ = said(capsys, *asked(model, "-q", "arithmetic", "-q", "logic", "--lite", "--json"))
    found = json.loads(summary)
    assert found["accuracy"]["all"]["right"]["n"] == 2
    logic = {question.text for question in read_questions("logic")}
    assert len(found["left_out"]) == 2
    assert set(found["left_out"]) <= logic


@pytest.mark.parametrize(
    ("words", "code", "said_of_it"),
    [
        (("-q", "riddles"), 2, "one of arithmetic, logic, multi-step, word-problems"),
        (("-q", "arithmetic", "-q", "arithmetic"), 2, "is asked 2 times"),
        (("-q", "arithmetic", "-m", "/nowhere/at/all"), 1, "no model in /nowhere/at/all/"),
        (("-q", "arithmetic", "--style", "chat"), 2, "no chat template"),
        (("-q", "logic"), 1, "none of 2 questions and its answer fits"),
        (("-q", "arithmetic", "--name", "a/b"), 2, "can't be called 'a/b'"),
    ],
)
def test_wrong_words_are_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: int,
    said_of_it: str,
) -> None:
    _, told = said(capsys, *asked(saved(tmp_path / "model", "gpt2"), *words), code=code)
    assert said_of_it in told


def test_a_model_without_a_tokenizer_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random_model("gpt2", 99).save_pretrained(tmp_path / "model")
    _, told = said(capsys, *asked(tmp_path / "model", "-q", "arithmetic"), code=1)
    assert "tokenizer" in told


def test_a_model_that_knows_no_digits_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = saved(tmp_path / "model", "gpt2", "abcdefghijklmnopqrstuvwxyz")
    _, told = said(capsys, *asked(model, "-q", "arithmetic"), code=1)
    assert "does not know the characters" in told


def test_what_is_no_better_than_the_commonest_answer_is_said() -> None:
    questions = [question_about(number, [("+", 1)]) for number in (1, 2, 3)] * 10
    given_as = [
        Given(written="", value=None, kind=RIGHT if right else FORMAT, why="", logprob=-1.0)
        for right in [True] * 10 + [False] * 20
    ]
    request = {"questions": questions, "mode": "zero", "style": "bare", "max_new_tokens": 1}
    texts = dict.fromkeys(("model", "weights", "dtype", "version"), "x")

    def told(whole: list[Given]) -> str:
        return Results(
            request=QuestionsRequest(**request, **texts, seed=0),
            form=Form(before="", capital=False),
            whole=whole,
            without={"head:0.0": given_as},
        ).sentences()[0]

    assert "all: 10/30" in told(given_as)
    assert "says little" in told(given_as)
    better = told([one.model_copy(update={"kind": RIGHT}) for one in given_as])
    assert "1 of 1 lower it by more than chance" in better


@pytest.mark.parametrize("style", ["plain", "bare", "chat"])
def test_solved_questions_stand_before_each_and_are_not_asked(tmp_path: Path, style: str) -> None:
    model = saved(tmp_path / "model", "rnn", ALPHABET + "<|>_")
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = (
        "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}{% endfor %}<assistant>"
    )
    tokenizer.save_pretrained(model)
    words = {"name": "mine", "model": str(model), "questions": ["arithmetic"], "style": style}
    pieces, _ = QuestionsExperiment.checked(**words, shots=2).pieces(tmp_path)
    examples, asked_questions = pieces.request.examples, pieces.questions
    every = {one.text for one in read_questions("arithmetic")}
    assert len(examples) == 2
    assert {one.text for one in (*examples, *asked_questions)} == every
    assert len(asked_questions) == len(every) - 2
    again, _ = QuestionsExperiment.checked(**words, shots=2).pieces(tmp_path)
    assert again.request == pieces.request
    (prompt, *_) = pieces.asker.prompts(asked_questions)
    words_of = [one.text for one in (*examples, asked_questions[0])]
    right = [str(one.answer) for one in examples]
    assert prompt == {
        "plain": "Q: {}\nA: {}\n\nQ: {}\nA: {}\n\nQ: {}\nA:",
        "bare": "{} {}\n\n{} {}\n\n{}",
        "chat": "<user>{}<assistant>{}<user>{}<assistant>{}<user>{}<assistant>",
    }[style].format(words_of[0], right[0], words_of[1], right[1], words_of[2])
    with pytest.raises(UsageError, match="leave none of"):
        QuestionsExperiment.checked(**words, shots=len(every)).pieces(tmp_path)
