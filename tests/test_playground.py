"""The playground in a real browser: every input toggled, every model's answer read."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from the_experiment.evaluation.answers import answer
from the_experiment.evaluation.trained import trained_models

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


@pytest.fixture
def served(trained: Path) -> Iterator[str]:
    """The address of a playground over the trained models."""
    port = free_port()
    command = [*THE_EXPERIMENT, "testui", "--port", str(port), "--out", str(trained)]
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


def test_each_toggle_changes_what_the_rules_and_the_models_answer(
    served: str, trained: Path
) -> None:
    from playwright.sync_api import expect, sync_playwright

    models = trained_models(trained)
    world = models[0].split.world
    prompt = world.example_prompt
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=CHROMIUM_FLAGS
        )
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(served)
        for position, name in enumerate("ABC"):
            flipped = "1" if prompt[position] == "0" else "0"
            prompt = prompt[:position] + flipped + prompt[position + 1 :]
            page.get_by_label(name, exact=True).click()
            expect(page.locator(".answers")).to_have_attribute("data-prompt", prompt)
            told = answer(prompt, models)
            truth = {
                part: str(grade.expected) for part, grade in told.models[0].completion.parts.items()
            }
            assert page.locator("[data-name=rules] .part").all_inner_texts() == list(truth.values())
            for model in told.models:
                row = page.locator(f"[data-name={model.model}]")
                assert row.get_attribute("data-completion") == model.completion.text
                for part, grade in model.completion.parts.items():
                    shown = row.locator(f"[data-part={part}]")
                    assert shown.inner_text() == str(grade.written)
                    colour = "right" if grade.correct else "wrong"
                    assert colour in (shown.get_attribute("class") or "").split()
        assert page.locator(".rules li").all_inner_texts() == world.in_words()
        browser.close()
    assert asked
    assert all(url.startswith((served, "data:", "blob:")) for url in asked), asked


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
