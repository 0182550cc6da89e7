"""`the-experiment traces` from rows to a report: train, evaluate, report, chat, and all of it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options


class Arm(str, Enum):
    """What is trained on: the trace, its form alone, or no trace."""

    causal = "causal"
    form = "format"
    answers = "answers"


class Preset(str, Enum):
    """Settings that were published."""

    claire = "claire"
    claire_7b = "claire-7b"


class Method(str, Enum):
    """What of a model is trained."""

    lora = "lora"
    full = "full"


class Benchmark(str, Enum):
    """What lm-eval downloads."""

    gsm8k = "gsm8k"
    gpqa_diamond = "gpqa_diamond"
    gpqa_extended = "gpqa_extended"


Shared = Annotated[Path, options.Option("--out", help="Trained models; results in traces/NAME/.")]
NameOfResults = Annotated[str, typer.Argument(metavar="NAME", help="Of the results.")]

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
        str, typer.Argument(metavar="NAME|FOLDER", help="Rows that `traces prepare` wrote.")
    ],
    arm: Annotated[
        list[Arm] | None,
        options.Option(help="Can be repeated.", show_default="all three"),
    ] = None,
    base: Annotated[
        str,
        options.Option(
            metavar="MODEL",
            help="A folder, a trained model by name, or a name on the hub.",
            show_default="a small one, trained here first for puzzles that were drawn",
        ),
    ] = "",
    name: Annotated[
        str, options.Option(help="Of the runs, before -ARM.", show_default="that of the rows")
    ] = "",
    preset: Annotated[Preset, options.Option(help="The settings to begin with.")] = Preset.claire,
    method: Annotated[Method, options.Option(help="An adapter, or all weights.")] = Method.lora,
    epochs: Annotated[int, options.Option(min=1, help="Passes over the rows.")] = 1,
    learning_rate: Annotated[
        float | None, options.Option(help="The highest.", show_default="the preset's")
    ] = None,
    seed: options.TrainingSeed = defaults.SEED,
    device: options.OnDevice = options.Device.auto,
    precision: options.OfPrecision = options.Precision.auto,
    threads: options.Threads = defaults.THREADS,
    resume: Annotated[
        bool, options.Option("--resume", help="Go on from the last checkpoint.")
    ] = False,
    out: options.Out = Path(defaults.OUT),
    config: options.ConfigFile = None,  # noqa: ARG001 - read before the others, see its callback
) -> None:
    """Tune a model on each arm: the trace, its form alone, and the answers alone."""
    from the_experiment.base.extras import needed
    from the_experiment.base.logs import log_to_folder
    from the_experiment.report.terminal import stdout

    log_to_folder()
    needed("trl", "peft", "accelerate")
    from the_experiment.experiments.traces.tuned import TuneRequest, tune_arms, tuned_summary

    request = TuneRequest(
        rows=rows,
        arms=tuple(one.value for one in arm or Arm),
        base=base,
        name=name,
        preset=preset.value,
        settings={
            "method": method.value,
            "epochs": epochs,
            "seed": seed,
            "device": device.value,
            "precision": precision.value,
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
            help="First the base, then the one that is tested, then controls.",
        ),
    ],
    asked: Annotated[
        list[str],
        options.Option(
            "--set", metavar="NAME|FILE", help="Puzzles, or rows with a test side. Can be repeated."
        ),
    ],
    limit: Annotated[int, options.Option(min=0, help="Of each set and benchmark; 0: all.")] = 0,
    max_new_tokens: Annotated[int, options.Option(min=1, help="Of an answer, at most.")] = 512,
    lm_eval: Annotated[
        bool, options.Option("--lm-eval", help="Ask the same puzzles through lm-eval as well.")
    ] = False,
    benchmark: Annotated[
        list[Benchmark] | None,
        options.Option(help="Through lm-eval, which downloads it. Can be repeated."),
    ] = None,
    out: Shared = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Ask a base and what was tuned from it puzzles of graphs, sizes and names never seen."""
    from the_experiment.base.logs import log_to_folder, stderr
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
    from the_experiment.experiments.traces.report import results_view
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
        stdout.print(results_view(results))
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
    """Print what was answered again, and write its tables, picture and page anew."""
    from the_experiment.base.logs import stderr
    from the_experiment.experiments.traces.evaluate import read_results
    from the_experiment.experiments.traces.report import results_view, write_report
    from the_experiment.report.terminal import print_json, stdout

    folder, results = read_results(name, out)
    page = write_report(results, folder, folder.name)
    if as_json:
        print_json(results.as_json())
    else:
        stdout.print(results_view(results))
    stderr.print(f"report: {page}", markup=False, soft_wrap=True)


def chat(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A folder, a trained model by name, or a name on the hub."
        ),
    ],
    ask: Annotated[
        str, options.Option(help="One question.", show_default="one a line, until the end")
    ] = "",
    max_new_tokens: Annotated[int, options.Option(min=1, help="Of an answer, at most.")] = 512,
    device: options.OnDevice = options.Device.auto,
    out: options.Out = Path(defaults.OUT),
) -> None:
    """Ask a tuned model by hand: its trace in colour, then its answer."""
    from the_experiment.experiments.traces.chat import questions_from, reply
    from the_experiment.models.pretrained import load_pretrained
    from the_experiment.report.terminal import stdout

    loaded, tokenizer = load_pretrained(model, device.value, out=out)
    for question in [ask] if ask else questions_from(typer.get_text_stream("stdin")):
        written, answer = reply(loaded, tokenizer, question, max_new_tokens)
        stdout.print(written)
        stdout.print(f"answer: {answer}" if answer else "no answer", style="bold", markup=False)


def run(
    name: NameOfResults,
    quick: Annotated[
        bool, options.Option("--quick", help="Small enough for two cores and some minutes.")
    ] = False,
    out: Shared = Path(defaults.OUT),
) -> None:
    """All of it: draw, prepare, train a base, tune every arm, ask, report. Again, it goes on."""
    from the_experiment.base.extras import needed
    from the_experiment.base.logs import log_to_folder, stderr

    log_to_folder()
    needed("trl", "peft", "accelerate", "networkx")
    from the_experiment.experiments.traces.report import PAGE, results_view
    from the_experiment.experiments.traces.runner import run_traces
    from the_experiment.experiments.traces.scale import scale
    from the_experiment.report.terminal import stdout

    results = run_traces(scale(quick=quick), name, out)
    stdout.print(results_view(results))
    stderr.print(f"report: {out / 'traces' / name / PAGE}", markup=False, soft_wrap=True)
