"""Traces and judgements asked of an endpoint: in form, graded, resumed, and paid once."""

from __future__ import annotations

import json
import multiprocessing
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from fake_endpoint import CHAT, KEY, FakeEndpoint, Fault, Likely, fake_endpoint
from the_experiment.base.errors import ExperimentError, UsageError
from the_experiment.base.files import read_jsonl
from the_experiment.cli.app import app
from the_experiment.data.trace_rows import read_traces
from the_experiment.evaluation import statistics
from the_experiment.evaluation.statistics import kappa_interval
from the_experiment.experiments.traces.asking import EndpointRequests, Price, read_prompts
from the_experiment.experiments.traces.endpoint import INSTRUCTIONS, ask_traces, in_form
from the_experiment.models.endpoint import Endpoint
from the_experiment.worlds.causal.drawing import draw_puzzles
from the_experiment.worlds.causal.writing import completion_of

TRACE = "<think>\n<causality>\n{} causes it.\n</causality>\n</think>\n{}"


def writer(_model: str, prompt: str) -> list[Likely]:
    """What the fake model says: a trace that ends in the length of the prompt, or none."""
    text = "no trace" if "formless" in prompt else TRACE.format("it", len(prompt))
    return [[(piece, 1.0)] for piece in text.split(" ")]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder with a key, and no waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)


def prompts_file(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    file = tmp_path / "prompts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def said(*words: str) -> Result:
    """Run `traces ask` or `traces judge`."""
    return CliRunner().invoke(app, ["traces", *words])


def asking(fake: FakeEndpoint, folder: Path, workers: int = 2) -> EndpointRequests:
    return EndpointRequests(
        Endpoint(fake.address), "big", INSTRUCTIONS, 99, folder, Price(), workers
    )


@pytest.mark.parametrize(
    "text",
    [
        "<think>a<causality>b</causality>c</think>",
        "<think>a</think>b",
        "<causality>a</causality>b",
        "<think><causality> </causality></think>b",
        "<think><causality>a</think></causality>b",
        "<causality><think>a</think></causality>b",
        "<think><causality>a</causality></think>b</think>c",
        "<think><think><causality>a</causality></think></think>b",
        "x<think><causality>a</causality></think>b",
        "<think><causality>a</causality></think>b<think>",
        "<think><causality>a",
        "",
    ],
)
def test_what_is_not_in_form(text: str) -> None:
    assert not in_form(text)


def test_what_is_in_form() -> None:
    assert in_form("\n<think>x<causality>a</causality>y<causality>b</causality></think>\nc\n")
    assert all(in_form(completion_of(puzzle)) for puzzle in draw_puzzles(12, 0))


def test_the_instructions_ask_for_the_form_that_is_checked() -> None:
    assert in_form(INSTRUCTIONS[INSTRUCTIONS.index("<think>") :])


def test_rows_of_a_benchmark(tmp_path: Path) -> None:
    file = prompts_file(
        tmp_path,
        {"question": "How many?", "answer": "2 and 3 are 5\n#### 1,005"},
        {"problem": "How few?"},
        {"prompt": "Which?\n", "answer": "Paris", "level": 3},
        {"prompt": "Which?", "answer": "Rome"},  # asked already
        {"context": "Tom is old.", "question": "Is Tom old?", "answer": "yes"},
    )
    how_many, how_few, which, is_old = read_prompts(file)
    assert is_old.text == "Tom is old.\nIs Tom old?"
    assert [how_many.answer, how_few.answer, which.answer] == ["1,005", None, "Paris"]
    assert how_many.right(TRACE.format("x", "$1005.00")) is True
    assert how_many.right(TRACE.format("x", "1006")) is False
    assert how_few.right("5") is None
    assert which.right(TRACE.format("x", "paris.")) is True
    assert which.right("<think>paris") is False
    assert [one.text for one in read_prompts(file, limit=1)] == ["How many?"]


def test_a_puzzle_is_graded_as_puzzles_are(tmp_path: Path) -> None:
    puzzles = draw_puzzles(12, 0)
    file = prompts_file(
        tmp_path, *({**one.model_dump(), "prompt": one.question} for one in puzzles)
    )
    for prompt, puzzle in zip(read_prompts(file), puzzles, strict=True):
        assert prompt.right(completion_of(puzzle)) is True
        assert prompt.right("nothing of the kind") is False


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"prompt": "a"}\n{"prompt": ', "line 2 is not valid JSON"),
        ('{"prompt": "a"}\n{"text": "b"}\n', "line 2 has no text prompt, question or problem"),
        ('{"prompt": " "}\n', "line 1 has no text"),
        ('{"question": "Which?", "choices": ["a", "b"]}\n', "line 1 has a column choices"),
        ("", "has no rows"),
    ],
)
def test_bad_prompts_are_told_by_line(tmp_path: Path, text: str, what: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(text)
    with pytest.raises(ExperimentError, match=what):
        read_prompts(file)


def test_the_cost_is_told_and_nothing_is_asked_without_yes(tmp_path: Path) -> None:
    prompts_file(tmp_path, {"prompt": "x" * 400}, {"prompt": "y" * 400})
    with fake_endpoint(answer=writer) as fake:
        words = ["ask", "mine", "--prompts", "prompts.jsonl", "--model", "big", "--max-tokens"]
        words += ["1000", "--price-in", "1e6", "--price-out", "1", "--base-url", fake.address]
        result = said(*words)
        assert result.exit_code == 0
        assert fake.requests == 0
    read = -(-(2 * len(INSTRUCTIONS) + 800) // 4)
    told = " ".join(result.stderr.split())
    assert f"2 prompts, {read:,} tokens read and 2,000 written: {read:,.2f} at" in told
    assert "nothing was sent" in told
    assert not (tmp_path / "out").exists()


def test_traces_are_asked_once_graded_and_written(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n} apples?", "answer": 9 if n else 8, "graph": "g"} for n in range(5)]
    prompts_file(tmp_path, *rows, {"prompt": "formless"}, {"prompt": "without"})
    faults = [Fault(CHAT, 429, 3), Fault(CHAT, "cut", 2), Fault(CHAT, 500, 2)]
    with fake_endpoint(answer=writer, faults=faults) as fake:
        words = ["ask", "mine", "--prompts", "prompts.jsonl", "--model", "big", "--yes", "--json"]
        words += ["--base-url", fake.address]
        first = said(*words)
        assert first.exit_code == 0, first.output
        again = said(*words)  # all is there: it costs nothing
        assert set(fake.chats.values()) == {1}
        assert fake.asked[0]["messages"][0] == {"role": "system", "content": INSTRUCTIONS}
    figures = json.loads(first.stdout)
    assert json.loads(again.stdout) == figures
    assert (figures["in_form"]["k"], figures["in_form"]["n"]) == (6, 7)
    assert (figures["right"]["k"], figures["right"]["n"]) == (4, 5)
    assert figures["commonest_answer"]["k"] == 4
    written = read_jsonl(Path("out/traces/mine/traces.jsonl"))
    assert [row["right"] for row in written] == [False, True, True, True, True, None]
    assert written[0]["prompt"] == "0 apples?\n"
    assert written[0]["graph"] == "g"
    assert all(in_form(row["completion"]) for row in written)
    assert [row.columns for row in read_traces(Path("out/traces/mine"))] == written
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > len(rows)
    assert all(KEY not in file.read_text() for file in files)
    assert KEY not in first.output + again.output


def test_a_reply_that_was_cut_short_is_no_trace(tmp_path: Path) -> None:
    prompts = read_prompts(prompts_file(tmp_path, {"prompt": "a?"}))
    with fake_endpoint(answer=lambda *_: [[(TRACE, 1.0)], [(" and", 1.0)]]) as fake:
        short = replace(asking(fake, tmp_path / "mine"), max_tokens=1)
        assert not ask_traces(short, prompts).rows
        assert ask_traces(asking(fake, tmp_path / "other"), prompts).rows


def test_more_prompts_may_be_added_and_no_other_request(tmp_path: Path) -> None:
    prompts = read_prompts(prompts_file(tmp_path, *({"prompt": f"{n}?"} for n in range(4))))
    with fake_endpoint(answer=writer) as fake:
        ask_traces(asking(fake, tmp_path / "mine"), prompts[:2])
        traced = ask_traces(asking(fake, tmp_path / "mine"), prompts)
        assert len(traced.rows) == 4
        assert set(fake.chats.values()) == {1}
        other = replace(asking(fake, tmp_path / "mine"), model="small")
        with pytest.raises(UsageError, match="another request"):
            ask_traces(other, prompts)
        with pytest.raises(UsageError, match="contains other files"):
            ask_traces(asking(fake, tmp_path), prompts)


def test_killed_it_asks_only_what_is_missing(tmp_path: Path) -> None:
    prompts = read_prompts(prompts_file(tmp_path, *({"prompt": f"{n}?"} for n in range(12))))
    with fake_endpoint(answer=writer, slow=0.05) as fake:
        mine = asking(fake, tmp_path / "mine", workers=1)
        killed = multiprocessing.get_context("fork").Process(
            target=ask_traces, args=(mine, prompts)
        )
        killed.start()
        while len(list(tmp_path.glob("mine/replies/*.json"))) < 3:
            assert killed.is_alive()
            time.sleep(0.005)
        killed.kill()
        killed.join()
        assert killed.exitcode == -signal.SIGKILL
        assert not (tmp_path / "mine" / "traces.jsonl").exists()
        landed = 12 - mine.estimate([prompt.text for prompt in prompts]).prompts
        fake.slow = 0.0
        assert len(ask_traces(mine, prompts).rows) == 12
        assert 3 <= landed < 12
        assert 12 <= len(fake.asked) <= 13  # one may have been under way


def test_the_judge_is_held_against_the_exact_grader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "RESAMPLES", 50)

    def judge(_model: str, text: str) -> list[Likely]:
        """Right about all but the third; it can't make up its mind about the fourth."""
        right = text.partition("<right-answer>\n")[2].partition("\n")[0]
        word = {"2": "Yes.", "3": "yes and no"}.get(
            right, "yes" if f"\n{right}\n</st" in text else "no"
        )
        return [[(word, 1.0)]]

    rows = [
        {"prompt": f"{n}?", "completion": TRACE.format("x", n if n % 2 else "?"), "answer": n}
        for n in range(8)
    ]
    prompts_file(tmp_path, *rows, {"prompt": "no answer known", "completion": "x"})
    with fake_endpoint(answer=judge, faults=[Fault(CHAT, 500)]) as fake:
        words = [
            "judge",
            "judged",
            "--rows",
            "prompts.jsonl",
            "--model",
            "j",
            "--yes",
            "--base-url",
        ]
        result = said(*words, fake.address)
        figures = json.loads(said(*words, fake.address, "--json").stdout)
        assert len(fake.chats) == sum(fake.chats.values()) == 8
        assert all("causes it" not in one["messages"][-1]["content"] for one in fake.asked)
    assert result.exit_code == 0, result.output
    assert figures["both_right"] == 3
    assert figures["only_judge_right"] == 1
    assert figures["both_wrong"] == 3
    assert figures["unread"] == 1
    assert figures["agreed"]["k"] == 6
    assert figures["low"] <= figures["kappa"] <= figures["high"]
    assert "they agree on 6/7" in result.stdout
    assert json.loads(Path("out/traces/judged/judge.json").read_text()) == figures


def test_kappa(monkeypatch: pytest.MonkeyPatch) -> None:
    """The textbook's table of 20, 5, 10 and 15 has .4."""
    monkeypatch.setattr(statistics, "RESAMPLES", 300)
    kappa, low, high = kappa_interval((15, 10, 5, 20), 0)
    assert kappa == pytest.approx(0.4)
    # Fleiss, Cohen and Everitt (1969): a standard error of .127
    assert [low, high] == pytest.approx([0.4 - 1.96 * 0.127, 0.4 + 1.96 * 0.127], abs=0.05)
    assert kappa_interval((15, 10, 5, 20), 0) == (kappa, low, high)
    assert kappa_interval((5, 0, 0, 5), 0) == (1.0, 1.0, 1.0)
    assert np.isnan(kappa_interval((0, 0, 0, 9), 0)).all()


def test_a_judge_needs_something_to_judge(tmp_path: Path) -> None:
    prompts_file(tmp_path, {"prompt": "a", "completion": "b"}, {"prompt": "c", "answer": "d"})
    result = said("judge", "judged", "--rows", "prompts.jsonl", "--model", "j")
    assert isinstance(result.exception, UsageError)
