"""`the-experiment programs trace`: where in a model, and in a program, an answer is carried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.choices import PatchTarget
from the_experiment.cli import options

if TYPE_CHECKING:
    from the_experiment.worlds.programs.pairs import ProgramPair

EXAMPLES = options.examples(
    "the-experiment programs trace binding --model tiny-gpt2-binding --lengths 5 --hops 1-2",
    "the-experiment programs trace one --model Qwen/Qwen3-0.6B --rng-seed 11 --lengths 5 --hops 1",
    "the-experiment programs trace mine --model tiny-gpt2-binding --program mine.py",
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
    chat: options.AskedIn = "auto",
    seed: Annotated[int, options.Option(min=0, help="The first seed to draw programs with.")] = 0,
    dtype: options.OfDtype = "float32",
    device: options.OnDevice = "auto",
    out: options.Out = Path(defaults.OUT),
    as_json: options.AsJson = False,
) -> None:
    """Causal tracing: which patches make the answer that of the counterfactual program?"""
    from the_experiment.base.logs import log_to_folder, stderr
    from the_experiment.experiments.tracing.analysis import outcome_of, write_pictures
    from the_experiment.experiments.tracing.cells import run_tracing
    from the_experiment.experiments.tracing.config import TracingRequest, tracing_folder
    from the_experiment.report.outcome import outcome_view, write_outcome
    from the_experiment.report.terminal import print_json, stdout
    from the_experiment.worlds.programs.prompts import PROMPTS

    log_to_folder()
    request = TracingRequest(
        model,
        kind,
        tuple(options.numbers(lengths)),
        tuple(options.numbers(hops)),
        generator,
        pairs,
        rng_seed,
        _own(program, seed) if program else (),
        template=PROMPTS.get(prompt, prompt),
        chat=chat,
        seed=seed,
        device=device,
        dtype=dtype,
    )
    folder = tracing_folder(name, out)
    results = run_tracing(request, out, folder)
    outcome = outcome_of(results)
    write_outcome(outcome, folder)
    write_pictures(results, folder)
    if as_json:
        print_json(outcome.figures)
    else:
        stdout.print(outcome_view(outcome))
    stderr.print(f"results: {folder}/", soft_wrap=True, markup=False)
    if results.failed:
        raise typer.Exit(1)


def _own(file: Path, seed: int) -> tuple[ProgramPair, ...]:
    """The program in a file, beside one with a constant drawn by `seed`."""
    import numpy as np

    from the_experiment.base.files import read_text
    from the_experiment.worlds.programs.chain import another_constant
    from the_experiment.worlds.programs.pairs import counterfactual_pair

    text = read_text(file).rstrip("\n")
    return (counterfactual_pair(text, another_constant(text, np.random.RandomState(seed))),)
