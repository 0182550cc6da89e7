"""The playground: toggle the inputs of a world; see what the rules and the models make of them."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from loguru import logger

from the_experiment.base.errors import ExperimentError
from the_experiment.base.runs import find_runs
from the_experiment.evaluation.answers import Answers, answer
from the_experiment.evaluation.limits import limits_by_split
from the_experiment.evaluation.trained import Trained, of_world, trained_models
from the_experiment.report.html import answers_fragment, limits_fragment
from the_experiment.worlds import Domain, World, find_world

STYLE = (Path(__file__).parent / "playground.css").read_text(encoding="utf-8")


def playground(world: World, models: Sequence[Trained]) -> Any:
    """The page as Gradio blocks: a toggle or slider for each input, the rules, the answers."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    def show(*values: int) -> str:
        state = np.array([values], dtype=np.int64)
        return answers_fragment(respond(world, models, world.prompts(state)[0]))

    @functools.cache
    def told_limits() -> str:
        return limits_fragment(limits_by_split(models))

    start = world.state(world.example_prompt)[0].tolist()
    with gr.Blocks(title="The Experiment", analytics_enabled=False) as page:
        gr.HTML(f"<h1>World {world.name}</h1><p>Click an input. Did they learn the rule?</p>")
        limits = gr.HTML()
        with gr.Row(elem_id="inputs"):
            inputs = [
                _input(gr, name, domain, value)
                for (name, domain), value in zip(world.inputs.items(), start, strict=True)
            ]
        answers = gr.HTML(show(*start), elem_id="answers")
        # One event for all inputs: of several, an earlier one's answer could arrive last.
        gr.on(
            [each.change for each in inputs],
            show,
            inputs,
            answers,
            trigger_mode="always_last",
            show_progress="hidden",
        )
        # Afterwards: in large worlds the baselines take minutes.
        page.load(told_limits, None, limits, show_progress="hidden")
    return page


def respond(world: World, models: Sequence[Trained], prompt: str) -> Answers:
    """The answers to a prompt; where there are no models, those of the rules alone."""
    if models:
        return answer(prompt, models)
    return Answers(world, prompt, world.answer(prompt), [])


def _input(gr: Any, name: str, domain: Domain, value: int) -> Any:
    if domain.boolean:
        return gr.Checkbox(
            bool(value), label=name, elem_classes="toggle", container=False, min_width=64
        )
    return gr.Slider(domain.low, domain.high, value, step=1, label=name)


def serve(world_name: str | None, out: Path, port: int) -> None:
    """Serve the playground on this machine alone until interrupted.

    Raises `ExperimentError` where there is neither a world nor a model, or the port is taken.
    """
    import gradio as gr

    world, models = _world_and_models(world_name, out)
    try:
        playground(world, models).launch(
            server_name="127.0.0.1",
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            css=STYLE,
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            footer_links=[],
        )
    except OSError as error:
        raise ExperimentError(
            f"can't listen on port {port} ({error})", "choose another with --port"
        ) from None
    logger.info("the playground is at http://127.0.0.1:{} (Ctrl-C ends it)", port)
    threading.Event().wait()


def _world_and_models(world_name: str | None, out: Path) -> tuple[World, list[Trained]]:
    """The world asked for and its models; by default the world of the first model there is."""
    if world_name is None:
        models = trained_models(out)
        world = models[0].split.world
    else:
        world = find_world(world_name)
        models = trained_models(out) if find_runs(out) else []
    return world, of_world(models, world)
