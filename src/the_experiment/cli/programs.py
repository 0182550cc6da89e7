"""`the-experiment programs`: what models make of programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.cli import options, programs_trace
from the_experiment.cli.verb import Verbs

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
    chat: options.AskedIn = "auto",
    dtype: options.OfDtype = "auto",
    device: options.OnDevice = "auto",
    out: Results = Path(defaults.OUT),
    as_json: options.AsJson = False,
    config: options.ConfigFile = None,  # noqa: ARG001 - read before the others, see its callback
) -> None:
    """Ask models what programs compute, by length and hops, without repeating what is done."""
    from the_experiment.base.logs import log_to_folder, stderr
    from the_experiment.experiments.programs.analysis import outcome_of
    from the_experiment.experiments.programs.config import ExperimentConfig, folder_of
    from the_experiment.report.outcome import outcome_view, write_outcome
    from the_experiment.report.terminal import counting, print_json, stdout
    from the_experiment.worlds.generators import PROGRAMS
    from the_experiment.worlds.programs.prompts import PROMPTS

    log_to_folder()
    asked = ExperimentConfig(
        name=name,
        prompt_template=PROMPTS.get(prompt, prompt),
        program_generator=PROGRAMS[generator],
        models=model,
        num_seqs=num_seqs,
        seq_lens=options.numbers(lengths),
        num_hops=options.numbers(hops),
        seed=seed,
        max_new_tokens=max_new_tokens,
        chat=chat,
        dtype=dtype,
        device=device,
    )
    from the_experiment.experiments.programs.cells import run_programs

    cells = len(model) * len(asked.seq_lens) * max(1, len(asked.num_hops))
    with counting("cells", cells) as progress:
        results = run_programs(asked, out, progress=progress)
    outcome, folder = outcome_of(results), folder_of(name, out)
    write_outcome(outcome, folder)
    if as_json:
        print_json(outcome.figures)
    else:
        stdout.print(outcome_view(outcome))
    stderr.print(f"results: {folder}/", markup=False)
    if results.failed:
        raise typer.Exit(1)


@app.command(
    epilog=options.examples(
        "the-experiment programs plot range_tracking",
        "the-experiment programs plot binding --out elsewhere",
    )
)
def plot(name: Name, out: Results = Path(defaults.OUT)) -> None:
    """Plot accuracy against length from the results."""
    from the_experiment.experiments.programs.analysis import PLOT, accuracy_figure
    from the_experiment.experiments.programs.config import folder_of
    from the_experiment.experiments.programs.samples import read_samples
    from the_experiment.report.plots import write_figure
    from the_experiment.report.terminal import stdout

    place = folder_of(name, out) / f"{PLOT}.png"
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
    from the_experiment.experiments.programs.errors import (
        kind_of_error,
        of_lengths,
        wrong_answers,
    )
    from the_experiment.experiments.programs.samples import read_samples
    from the_experiment.report.outcome import outcome_view
    from the_experiment.report.terminal import print_json, stdout

    samples = of_lengths(read_samples(name, out), min_length, max_length)
    if as_json:
        wrong = wrong_answers(samples)
        print_json([{"kind": kind_of_error(one), **asdict(one)} for one in wrong])
    else:
        stdout.print(outcome_view(errors_of(samples, SHOWN if programs else 0)))


app.command("trace", epilog=programs_trace.EXAMPLES)(programs_trace.trace)
