"""The playground in a real browser: every input toggled, every model's answer read."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from the_experiment.evaluation.answers import answer
from the_experiment.evaluation.limits import limits_by_split
from the_experiment.evaluation.trained import trained_models
from the_experiment.worlds import World, find_world

pytestmark = pytest.mark.browser

THE_EXPERIMENT = [sys.executable, "-m", "the_experiment"]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(*options: str) -> Iterator[str]:
    """The address of a playground."""
    port = free_port()
    command = [*THE_EXPERIMENT, "testui", "--port", str(port), *options]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(600):
            assert server.poll() is None, server.stderr and server.stderr.read()
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def page() -> Iterator[Any]:
    """A page of a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS
        )
        yield browser.new_page()
        browser.close()


def test_each_toggle_changes_what_the_rules_and_the_models_answer(trained: Path, page: Any) -> None:
    from playwright.sync_api import expect

    models = trained_models(trained)
    world = models[0].split.world
    prompt = world.example_prompt
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    (split,) = limits_by_split(models)
    assert split.sentences
    with served("--out", str(trained)) as address:
        page.goto(address)
        for sentence in split.sentences:
            expect(page.locator(".limits")).to_contain_text(sentence, timeout=30_000)
        for position, name in enumerate("ABC"):
            flipped = "1" if prompt[position] == "0" else "0"
            prompt = prompt[:position] + flipped + prompt[position + 1 :]
            page.get_by_label(name, exact=True).click()
            expect(page.locator(".answers")).to_have_attribute("data-prompt", prompt)
            told = answer(prompt, models)
            assert rules_shown(page) == right_parts(world, prompt)
            for model in told.models:
                row = page.locator(f"[data-name={model.model}]")
                assert row.get_attribute("data-completion") == model.completion.text
                for part, grade in model.completion.parts.items():
                    shown = row.locator(f"[data-part={part}]")
                    assert shown.inner_text() == str(grade.written)
                    colour = "right" if grade.correct else "wrong"
                    assert colour in (shown.get_attribute("class") or "").split()
        assert page.locator(".rules li").all_inner_texts() == world.in_words()
    assert asked
    assert all(url.startswith((address, "data:", "blob:")) for url in asked), asked


def rules_shown(page: Any) -> list[str]:
    texts: list[str] = page.locator("[data-name=rules] .part").all_inner_texts()
    return texts


def right_parts(world: World, prompt: str) -> list[str]:
    return [str(span.value) for span in world.spans(world.answer(prompt)).values() if span]


def test_the_default_world_has_five_round_toggles(tmp_path: Path, page: Any) -> None:
    from playwright.sync_api import expect

    world = find_world("causal")
    prompt = world.example_prompt.split(",")
    with served("--world", "causal", "--out", str(tmp_path)) as address:
        page.goto(address)
        for position, name in enumerate("ABCDE"):
            toggle = page.get_by_label(name, exact=True)
            box = toggle.bounding_box()
            assert box["width"] == box["height"]
            assert toggle.evaluate("each => getComputedStyle(each).borderRadius") == "50%"
            toggle.click()
            prompt[position] = str(1 - int(prompt[position]))
            expect(page.locator(".answers")).to_have_attribute("data-prompt", ",".join(prompt))
            assert rules_shown(page) == right_parts(world, ",".join(prompt))
        assert "run the-experiment train all" in page.locator(".answers").inner_text()


def test_integers_are_set_by_numbers(tmp_path: Path, page: Any) -> None:
    from playwright.sync_api import expect

    world = find_world("modular")
    with served("--world", "modular", "--out", str(tmp_path)) as address:
        page.goto(address)
        for place, value in enumerate("905"):
            number = page.locator("#inputs input[type=number]").nth(place)
            number.fill(value)
            number.press("Enter")
        expect(page.locator(".answers")).to_have_attribute("data-prompt", "9 0 5", timeout=30_000)
        assert rules_shown(page) == right_parts(world, "9 0 5")


def test_a_taken_port_is_told(trained: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = subprocess.run(
            [*THE_EXPERIMENT, "testui", "--port", str(port), "--out", str(trained)],
            capture_output=True,
            text=True,
        )
    assert told.returncode == 1
    assert "choose another with --port" in told.stderr
    assert "Traceback" not in told.stderr
