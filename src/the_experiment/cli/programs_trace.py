"""`the-experiment programs trace`: where in a model, and in a program, an answer is carried."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.choices import PatchTarget
from the_experiment.cli import options

if TYPE_CHECKING:
    from the_experiment.inside.program_pairs import ProgramPair

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
    from the_experiment.inside.tracing_cells import TracingRequest, run_tracing, tracing_folder
    from the_experiment.models.kept import KeptModels
    from the_experiment.report.terminal import print_json, stdout
    from the_experiment.report.tracing import tracing_view, write_tracing
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
    results = run_tracing(request, KeptModels(out), folder)
    write_tracing(results, folder)
    if as_json:
        print_json(results.patch_results)
    else:
        stdout.print(tracing_view(results))
    stderr.print(f"results: {folder}/", soft_wrap=True, markup=False)
    if results.failed:
        raise typer.Exit(1)


def _own(file: Path, seed: int) -> tuple[ProgramPair, ...]:
    """The program in a file, beside one with a constant drawn by `seed`."""
    import numpy as np

    from the_experiment.base.files import read_text
    from the_experiment.inside.program_pairs import counterfactual_pair
    from the_experiment.worlds.programs.chain import another_constant

    text = read_text(file).rstrip("\n")
    return (counterfactual_pair(text, another_constant(text, np.random.RandomState(seed))),)
