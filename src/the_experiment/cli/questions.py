"""`the-experiment questions`: what a model answers, whole and without each of its pieces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.defaults import Ablation, Style
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs(
    help="Ask models questions, and ablate their heads and layers: run, inspect, list.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment questions run --model Qwen/Qwen3-0.6B --questions arithmetic --lite",
        "the-experiment questions inspect out/questions/mine",
    ),
)


@app.command(
    epilog=options.examples(
        "the-experiment questions run --model Qwen/Qwen3-0.6B --questions arithmetic --lite",
        "the-experiment questions run --model tiny-gpt2-mine --questions logic "
        "--questions mine.jsonl --mode mean --name mine",
    )
)
def run(
    model: Annotated[
        str,
        options.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A folder, a trained model by name, or a name on the hub.",
        ),
    ],
    questions: Annotated[
        list[str],
        options.Option(
            "--questions",
            "-q",
            metavar="SET|FILE",
            help="A set of questions: one that `questions list` names, or a file"
            " of your own. Can be repeated.",
        ),
    ],
    lite: Annotated[
        bool, options.Option("--lite", help="Report accuracy and failures only, without ablations.")
    ] = False,
    limit: Annotated[
        int,
        options.Option(
            min=0, help="The maximum number of questions of each set, sampled with --seed. 0: all."
        ),
    ] = 0,
    mode: Annotated[
        Ablation,
        options.Option(
            help="The replacement for ablated activations: zero, their mean over all tokens, or "
            "both, one after the other."
        ),
    ] = "both",
    each: Annotated[
        list[str] | None,
        options.Option(
            metavar="head|attention|mlp|layer|gate",
            help="Ablate components of this kind only. Can be repeated.",
            show_default="all kinds",
        ),
    ] = None,
    layers: Annotated[
        str,
        options.Option(
            metavar="0-9", help="Ablate components of these layers only.", show_default="all"
        ),
    ] = "",
    top: Annotated[
        int | None,
        options.Option(
            min=0,
            help="The number of components to ask without in words, too: those whose ablation "
            "makes right answers least likely.",
            show_default=f"all, but of more than {defaults.MANY_PIECES} the first "
            f"{defaults.TOP_PIECES}",
        ),
    ] = None,
    style: Annotated[
        Style,
        options.Option(
            help="The form of the prompt. plain: Q: … A:; bare: the question "
            "alone; auto: the chat template if there is one, bare for a "
            "model trained here, otherwise plain."
        ),
    ] = "auto",
    max_new_tokens: Annotated[
        int | None,
        options.Option(
            min=1,
            help="The maximum number of tokens in an answer.",
            show_default=f"{defaults.ANSWER_TOKENS}, in a chat template {defaults.CHAT_TOKENS}",
        ),
    ] = None,
    shots: Annotated[
        int,
        options.Option(
            min=0,
            help="The number of questions that stand before each one with their answers, and "
            "aren't asked.",
        ),
    ] = 0,
    seed: options.Seed = defaults.SEED,
    dtype: options.OfDtype = "float32",
    device: options.OnDevice = "auto",
    name: Annotated[
        str,
        options.Option(
            help="The name of the results folder.", show_default="made from the request"
        ),
    ] = "",
    out: Annotated[
        Path,
        options.Option(help="The folder of trained models. Results go to questions/NAME/ in it."),
    ] = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Ask a model questions, then again without each head, layer, attention and MLP.

    Run again, it goes on where it was.
    """
    from the_experiment.base.logs import log_to_folder
    from the_experiment.base.names import refuse_no_name
    from the_experiment.cli.experiments import run_and_report
    from the_experiment.experiments.questions.config import QuestionsExperiment, default_name
    from the_experiment.worlds.questions.reading import read_sets

    log_to_folder()
    read_sets(questions, limit, seed)  # wrong words are told before a model is loaded
    refuse_no_name("results", name or "unnamed")
    experiment = QuestionsExperiment.checked(
        name=name or "unnamed",
        model=model,
        questions=questions,
        limit=limit,
        mode=mode,
        each=each or [],
        layers=options.numbers(layers) if layers else [],
        top=top,
        style=style,
        max_new_tokens=max_new_tokens,
        shots=shots,
        seed=seed,
        dtype=dtype,
        device=device,
    )
    if not name:
        experiment = experiment.model_copy(update={"name": default_name(experiment)})
    run_and_report(experiment, out, quick=lite, as_json=as_json)


@app.command(
    epilog=options.examples(
        "the-experiment questions inspect out/questions/mine",
        "the-experiment questions inspect out/questions/mine --json",
    )
)
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")], as_json: options.AsJson = False
) -> None:
    """Print the results in a folder again: accuracy, failures with examples, and pieces."""
    from the_experiment.experiments.questions.analysis import outcome_of
    from the_experiment.experiments.questions.results import read_results
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import print_json, stdout

    outcome = outcome_of(read_results(folder))
    if as_json:
        print_json(outcome.figures)
    else:
        stdout.print(outcome_view(outcome))


@app.command(
    "list",
    epilog=options.examples(
        "the-experiment questions list",
        "the-experiment questions list logic --draw 200 --length 2",
    ),
)
def list_questions(
    questions: Annotated[str, typer.Argument(metavar="[SET|FILE]")] = "",
    draw: Annotated[
        int, options.Option(min=0, help="Draw this many new questions of the set's kind instead.")
    ] = 0,
    length: Annotated[
        int,
        options.Option(
            min=0, help="The number of steps or digits in drawn questions. 0: the smallest."
        ),
    ] = 0,
    seed: options.Seed = defaults.SEED,
    as_json: options.AsJson = False,
) -> None:
    """List the sets there are, or the questions of one as lines of a file of your own."""
    from the_experiment.report.terminal import print_json, stdout
    from the_experiment.worlds.questions.reading import (
        drawn_questions,
        question_sets,
        read_questions,
        row_of,
    )

    if not questions:
        sets = {one: len(read_questions(one)) for one in question_sets()}
        if as_json:
            print_json(sets)
        else:
            for one, count in sets.items():
                stdout.print(f"{one}: {count} questions, and more with `list {one} --draw 200`")
        return
    found = drawn_questions(questions, draw, length, seed) if draw else read_questions(questions)
    rows = [row_of(question) for question in found]
    if as_json:
        print_json(rows)
    else:
        print("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
