"""`the-experiment programs`: what models make of programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.defaults import PatchTarget
from the_experiment.cli import options
from the_experiment.cli.options import Verbs

app = Verbs(
    help="Evaluate models on what programs compute, and trace where.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment programs list",
        "the-experiment programs run range_tracking --model Qwen/Qwen3-0.6B",
        "the-experiment programs errors range_tracking --programs",
    ),
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the experiment.")]
Shots = Annotated[
    int,
    options.Option(
        min=0, help="The number of other programs that stand before each one with their answers."
    ),
]
Results = Annotated[
    Path,
    options.Option(
        "--out", help="The folder of trained models. Results go to programs/NAME/ in it."
    ),
]


@app.command(
    "list",
    epilog=options.examples("the-experiment programs list", "the-experiment programs list --json"),
)
def list_programs(as_json: options.AsJson = False) -> None:
    """List the generators of programs and the prompts there are."""
    from rich.markup import escape

    from the_experiment.report.terminal import print_json, stdout
    from the_experiment.worlds.generators import PROGRAMS
    from the_experiment.worlds.programs.prompts import PROMPTS

    generators = {
        name: (PROGRAMS[name].__doc__ or "").partition("\n")[0] for name in PROGRAMS.names()
    }
    if as_json:
        print_json({"generators": generators, "prompts": PROMPTS})
    else:
        for name, told in generators.items():
            stdout.print(f"[bold]{name}[/]  {escape(told)}")
        stdout.print(f"\nprompts: {', '.join(PROMPTS)}, or a text of your own with {{code}}")


@app.command(
    epilog=options.examples(
        "the-experiment programs run range_tracking --model Qwen/Qwen3-0.6B",
        "the-experiment programs run binding -m tiny-gpt2-binding -m path/to/model "
        "--generator make_variable_binding_program --prompt '{code}' --lengths 4-8 --hops 1-2",
        "the-experiment programs run mine --config mine.yaml",
    )
)
def run(
    name: Name,
    model: Annotated[
        list[str],
        options.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A folder, a trained model by name, or a name on the hub. Can be repeated.",
        ),
    ],
    generator: Annotated[
        str, options.Option(help="The program generator: one that `programs list` names.")
    ] = ("make_range_program"),
    prompt: Annotated[
        str,
        options.Option(
            help="The prompt: one that `programs list` names, or a text with {code} in it."
        ),
    ] = "RANGE_TRACKING",
    lengths: Annotated[
        str,
        options.Option(help="The lengths of the programs in lines or steps, such as 2-6 or 4,8."),
    ] = "2-6",
    hops: Annotated[
        str,
        options.Option(
            help="The numbers of hops from the variable asked for to its "
            "constant, for generators of variable binding."
        ),
    ] = "",
    num_seqs: Annotated[
        int,
        options.Option(min=1, help="The number of programs for each length and number of hops."),
    ] = 10,
    seed: options.Seed = defaults.SEED,
    max_new_tokens: Annotated[
        int | None,
        options.Option(
            min=1,
            help="The maximum number of tokens in an answer.",
            show_default="32; 512 where steps are asked",
        ),
    ] = None,
    shots: Shots = 0,
    chat: options.AskedIn = "auto",
    dtype: options.OfDtype = "float32",
    device: options.OnDevice = "auto",
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
    config: options.ConfigFile = None,  # noqa: ARG001 - read before the others, see its callback
) -> None:
    """Ask models what programs compute, by length and hops, without repeating what is done."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.cli.experiments import run_and_report
    from the_experiment.experiments.programs.config import ProgramsExperiment

    log_to_folder()
    experiment = ProgramsExperiment.checked(
        name=name,
        models=model,
        generator=generator,
        prompt=prompt,
        lengths=options.numbers(lengths),
        hops=options.numbers(hops),
        num_seqs=num_seqs,
        seed=seed,
        max_new_tokens=max_new_tokens,
        shots=shots,
        chat=chat,
        dtype=dtype,
        device=device,
    )
    run_and_report(experiment, out, quick=False, as_json=as_json)


@app.command(
    epilog=options.examples(
        "the-experiment programs plot range_tracking",
        "the-experiment programs plot binding --out elsewhere",
    )
)
def plot(name: Name, out: Results = Path(defaults.OUT)) -> None:
    """Plot accuracy against length from the results."""
    from the_experiment.experiments.programs.analysis import PLOT, accuracy_figure
    from the_experiment.experiments.programs.config import programs_folder
    from the_experiment.experiments.programs.results import read_samples
    from the_experiment.report.plots import write_figure
    from the_experiment.report.terminal import stdout

    place = programs_folder(name, out) / f"{PLOT}.png"
    write_figure(accuracy_figure(read_samples(name, out)), place)
    stdout.print(str(place), markup=False)


@app.command(
    epilog=options.examples(
        "the-experiment programs errors range_tracking",
        "the-experiment programs errors range_tracking --programs --min-length 5",
    )
)
def errors(
    name: Name,
    programs: Annotated[
        bool, options.Option("--programs", help="Print the first ten wrong answers in full.")
    ] = False,
    min_length: Annotated[
        int | None, options.Option(help="Only programs of at least this length.")
    ] = None,
    max_length: Annotated[
        int | None, options.Option(help="Only programs of at most this length.")
    ] = None,
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Count the kinds of wrong answers."""
    from dataclasses import asdict

    from the_experiment.experiments.programs.analysis import SHOWN, errors_of
    from the_experiment.experiments.programs.results import (
        kind_of_error,
        of_lengths,
        read_samples,
        wrong_answers,
    )
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import print_json, stdout

    samples = of_lengths(read_samples(name, out), min_length, max_length)
    if as_json:
        wrong = wrong_answers(samples)
        print_json([{"kind": kind_of_error(one), **asdict(one)} for one in wrong])
    else:
        stdout.print(outcome_view(errors_of(samples, SHOWN if programs else 0)))


@app.command(
    epilog=options.examples(
        "the-experiment programs trace binding --model tiny-gpt2-binding --lengths 5 --hops 1-2",
        "the-experiment programs trace one --model Qwen/Qwen3-0.6B --rng-seed 11 --lengths 5 "
        "--hops 1",
        "the-experiment programs trace mine --model tiny-gpt2-binding --program mine.py",
    )
)
def trace(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the results.")],
    model: Annotated[
        str,
        options.Option(
            "--model",
            "-m",
            metavar="MODEL",
            help="A folder, a trained model by name, or a name on the hub.",
        ),
    ],
    kind: Annotated[
        PatchTarget,
        options.Option(
            "--type", help="What to patch in from the run on the counterfactual program."
        ),
    ] = "both",
    generator: Annotated[
        str,
        options.Option(
            help="The program generator: one that `programs list` names and that"
            " takes a number of hops."
        ),
    ] = defaults.TRACED_PROGRAMS,
    lengths: Annotated[
        str,
        options.Option(
            "--lengths", "--length", help="The lengths of the programs in lines, such as 5 or 4-8."
        ),
    ] = str(defaults.TRACED_LINES),
    hops: Annotated[
        str,
        options.Option(
            help="The numbers of hops from the variable asked for to its constant, such as 1-3."
        ),
    ] = (str(defaults.TRACED_HOPS)),
    pairs: Annotated[
        int,
        options.Option(
            min=1,
            help="The number of correctly answered pairs to trace, for each "
            "length and number of hops.",
        ),
    ] = defaults.TRACED_PAIRS,
    rng_seed: Annotated[
        int | None, options.Option(min=0, help="Trace only the program drawn with this seed.")
    ] = None,
    program: Annotated[
        Path | None,
        options.Option(help="A file with a program of your own to trace instead of drawn ones."),
    ] = None,
    prompt: Annotated[
        str,
        options.Option(
            help="The prompt: one that `programs list` names, or a text with {code} in it."
        ),
    ] = "{code}",
    shots: Shots = 0,
    chat: options.AskedIn = "auto",
    seed: Annotated[int, options.Option(min=0, help="The first seed to draw programs with.")] = 0,
    dtype: options.OfDtype = "float32",
    device: options.OnDevice = "auto",
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Causal tracing: which patches make the answer that of the counterfactual program?"""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.cli.experiments import run_and_report
    from the_experiment.experiments.tracing.config import TracingExperiment

    log_to_folder()
    experiment = TracingExperiment.checked(
        name=name,
        model=model,
        type=kind,
        lengths=options.numbers(lengths),
        hops=options.numbers(hops),
        generator=generator,
        pairs=pairs,
        rng_seed=rng_seed,
        program=str(program or ""),
        prompt=prompt,
        shots=shots,
        chat=chat,
        seed=seed,
        dtype=dtype,
        device=device,
    )
    run_and_report(experiment, out, quick=False, as_json=as_json)
