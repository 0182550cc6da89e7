"""`the-experiment traces` from rows to a report: train, evaluate, report, chat, and all of it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.defaults import Method, Preset
from the_experiment.cli import options


class Arm(str, Enum):
    """What is trained on: the trace, its form alone, or no trace."""

    causal = "causal"
    form = "format"
    answers = "answers"


class BenchmarkName(str, Enum):
    """What lm-eval downloads."""

    gsm8k = "gsm8k"
    gpqa_diamond = "gpqa_diamond"
    gpqa_extended = "gpqa_extended"


Shared = Annotated[
    Path,
    options.Option("--out", help="The folder of trained models. Results go to traces/NAME/ in it."),
]
NameOfResults = Annotated[str, typer.Argument(metavar="NAME", help="The name of the results.")]

TRAIN = options.examples(
    "the-experiment traces train mine-rows",
    "the-experiment traces train mine-rows --base Qwen/Qwen2.5-0.5B --arm causal --name qwen",
)
EVALUATE = options.examples(
    "the-experiment traces evaluate mine-results -m mine-rows-base -m mine-rows-causal "
    "-m mine-rows-format -m mine-rows-answers --set mine-rows --set longer",
    "the-experiment traces evaluate claire -m Qwen/Qwen2.5-0.5B -m qwen-causal --set mine-rows "
    "--lm-eval --benchmark gsm8k",
)
REPORT = options.examples(
    "the-experiment traces report mine-results", "the-experiment traces report mine-results --json"
)
CHAT = options.examples(
    "the-experiment traces chat mine-rows-causal",
    "the-experiment traces chat mine-rows-causal --ask 'W causes B. B causes C. "
    "What is the root cause of C?'",
)
RUN = options.examples(
    "the-experiment traces run whole --quick", "the-experiment traces run whole-in-full"
)


def train(
    rows: Annotated[
        str,
        typer.Argument(
            metavar="NAME|FOLDER", help="The name or folder of rows that `traces prepare` wrote."
        ),
    ],
    arm: Annotated[
        list[Arm] | None,
        options.Option(
            help="The arm to train. Can be repeated. Default: all arms.", show_default="all three"
        ),
    ] = None,
    base: Annotated[
        str,
        options.Option(
            metavar="MODEL",
            help="The model to fine-tune: a folder, a trained model by name, or a name on the hub.",
            show_default="a small one, trained here first for drawn puzzles",
        ),
    ] = "",
    name: Annotated[
        str,
        options.Option(
            help="The name of the runs, to which -ARM is added.", show_default="that of the rows"
        ),
    ] = "",
    preset: Annotated[
        Preset, options.Option(help="The published settings to start from.")
    ] = "claire",
    method: Annotated[Method, options.Option(help="Train a LoRA adapter or all weights.")] = "lora",
    epochs: Annotated[int, options.Option(min=1, help="The number of epochs.")] = 1,
    learning_rate: Annotated[
        float | None, options.Option(help="The peak learning rate.", show_default="the preset's")
    ] = None,
    seed: options.TrainingSeed = defaults.SEED,
    device: options.OnDevice = "auto",
    precision: options.OfPrecision = "auto",
    threads: options.Threads = defaults.THREADS,
    resume: Annotated[
        bool, options.Option("--resume", help="Resume from the last checkpoint.")
    ] = False,
    out: options.Out = Path(defaults.OUT),
    config: options.ConfigFile = None,  # noqa: ARG001 - read before the others, see its callback
) -> None:
    """Fine-tune a model on each arm: the trace, its form alone, and the answers alone."""
    from the_experiment.base.errors import require_packages
    from the_experiment.base.logs import log_to_folder
    from the_experiment.report.terminal import stdout

    log_to_folder()
    require_packages("trl", "peft", "accelerate")
    from the_experiment.experiments.traces.tuned import TuneRequest, tune_arms, tuned_summary

    request = TuneRequest(
        rows=rows,
        arms=tuple(one.value for one in arm or Arm),
        base=base,
        name=name,
        preset=preset,
        settings={
            "method": method,
            "epochs": epochs,
            "seed": seed,
            "device": device,
            "precision": precision,
            "threads": threads,
            **({"learning_rate": learning_rate} if learning_rate is not None else {}),
        },
        resume=resume,
        out=out,
    )
    for run in tune_arms(request):
        stdout.print(tuned_summary(run))


def evaluate(
    name: NameOfResults,
    model: Annotated[
        list[str],
        options.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A model to evaluate: first the base, then the fine-tuned one, then controls.",
        ),
    ],
    asked: Annotated[
        list[str],
        options.Option(
            "--set",
            metavar="NAME|FILE",
            help="A set of puzzles, or of rows with a test split. Can be repeated.",
        ),
    ],
    limit: Annotated[
        int,
        options.Option(
            min=0, help="The maximum number of questions of each set and benchmark. 0: all."
        ),
    ] = 0,
    max_new_tokens: Annotated[
        int, options.Option(min=1, help="The maximum number of tokens in an answer.")
    ] = 512,
    lm_eval: Annotated[
        bool, options.Option("--lm-eval", help="Evaluate the same puzzles through lm-eval as well.")
    ] = False,
    benchmark: Annotated[
        list[BenchmarkName] | None,
        options.Option(
            help="A benchmark to run through lm-eval, which downloads it. Can be repeated."
        ),
    ] = None,
    out: Shared = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Evaluate a base and models fine-tuned from it on unseen graphs, sizes and names."""
    from the_experiment.base.logs import log_to_folder, stderr
    from the_experiment.experiments.traces.analysis import outcome_of
    from the_experiment.experiments.traces.evaluate import (
        evaluate as asked_all,
    )
    from the_experiment.experiments.traces.evaluate import (
        evaluate_through_lm_eval,
        named,
        named_sets,
        results_folder,
        with_benchmarks,
    )
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import counting, print_json, stdout

    log_to_folder()
    sets, models = named_sets(asked, limit, out), named(model)
    folder = results_folder(name, out)
    names = [one.value for one in benchmark or ()]
    with counting("answers", (len(sets) + len(names)) * len(models)) as progress:
        results = asked_all(models, sets, folder, out, max_new_tokens, progress)
        if names:
            results = with_benchmarks(
                results, models, names, folder, out, limit, max_new_tokens, progress
            )
    if as_json:
        print_json(results.as_json())
    else:
        stdout.print(outcome_view(outcome_of(results, folder.name)))
    if lm_eval:
        found = evaluate_through_lm_eval(models, sets, folder, out, max_new_tokens)
        for one, rates in found.items():
            if not as_json:
                told = ", ".join(f"{asked} {rate}" for asked, rate in rates.items())
                stdout.print(f"lm-eval, {one}: {told}", markup=False)
    stderr.print(f"results: {folder}/", markup=False, soft_wrap=True)


def report(
    name: NameOfResults, out: Shared = Path(defaults.OUT), as_json: options.AsJson = False
) -> None:
    """Print the results again, and rewrite their tables, picture and page."""
    from the_experiment.base.logs import stderr
    from the_experiment.experiments.traces.analysis import outcome_of
    from the_experiment.experiments.traces.evaluate import read_results
    from the_experiment.report.outcome import outcome_view, write_outcome
    from the_experiment.report.terminal import print_json, stdout

    folder, results = read_results(name, out)
    outcome = outcome_of(results, folder.name)
    page = write_outcome(outcome, folder)
    if as_json:
        print_json(outcome.figures)
    else:
        stdout.print(outcome_view(outcome))
    stderr.print(f"report: {page}", markup=False, soft_wrap=True)


def chat(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="The model to chat with: a folder, a trained model by name, or a name on the hub.",
        ),
    ],
    ask: Annotated[
        str,
        options.Option(
            help="Ask this one question and exit.", show_default="one per line, until end of input"
        ),
    ] = "",
    max_new_tokens: Annotated[
        int, options.Option(min=1, help="The maximum number of tokens in an answer.")
    ] = 512,
    device: options.OnDevice = "auto",
    out: options.Out = Path(defaults.OUT),
) -> None:
    """Chat with a fine-tuned model: its trace in colour, then its answer."""
    from the_experiment.experiments.traces.chat import questions_from, reply
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.report.terminal import stdout

    loaded, tokenizer = load_pretrained(model, device, out=out)
    for question in [ask] if ask else questions_from(typer.get_text_stream("stdin")):
        written, answer = reply(loaded, tokenizer, question, max_new_tokens)
        stdout.print(written)
        stdout.print(f"answer: {answer}" if answer else "no answer", style="bold", markup=False)


def run(
    name: NameOfResults,
    quick: Annotated[
        bool, options.Option("--quick", help="Run a version that takes minutes on two cores.")
    ] = False,
    out: Shared = Path(defaults.OUT),
) -> None:
    """Run every step: draw, prepare, train a base, fine-tune each arm, evaluate, report."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.base.names import refuse_no_name
    from the_experiment.cli.experiments import run_and_report
    from the_experiment.experiments.declaration import find_experiment

    log_to_folder()
    refuse_no_name("results", name)
    shipped = find_experiment("causal-traces", "traces")
    shipped.check_models()
    named = shipped.model_copy(update={"name": name})
    run_and_report(named, out, quick=quick, as_json=False)
