"""`the-experiment traces`: questions about causes, with the way to the answer to be learnt."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from the_experiment.base import defaults
from the_experiment.base.defaults import Tags
from the_experiment.cli import options, traces_endpoint, traces_tuning
from the_experiment.cli.options import Verbs
from the_experiment.cli.traces_tuning import Arm

app = Verbs(
    help="Fine-tune a model on traces of causal reasoning, beside controls: generate, ask, "
    "prepare, train, evaluate, report, chat, judge, or all of it: run.",
    no_args_is_help=True,
    epilog=options.examples(
        "the-experiment traces generate mine --count 3000",
        "the-experiment traces prepare mine --name mine-rows",
    ),
)

Shared = Annotated[
    Path, options.Option("--out", help="The output folder. Results go to traces/NAME/ in it.")
]
EACH = "Can be repeated."


class Naming(str, Enum):
    """What variables are called."""

    letters = "letters"
    words = "words"
    nonsense = "nonsense"


@app.command(
    epilog=options.examples(
        "the-experiment traces generate mine --count 3000",
        "the-experiment traces generate longer --sizes 8-10 --kind chain --naming nonsense",
    )
)
def generate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the puzzles.")],
    count: Annotated[
        int,
        options.Option(
            min=1, help="The number of puzzles, spread evenly over kinds, sizes and names."
        ),
    ] = 3_000,
    kind: Annotated[
        list[str] | None,
        options.Option(help=f"root-cause, intervention, … {EACH}", show_default="all"),
    ] = None,
    sizes: Annotated[
        str, options.Option(help="The numbers of variables in a graph, such as 4-7 or 8,10.")
    ] = ("4-7"),
    naming: Annotated[
        list[Naming] | None,
        options.Option(help=f"What variables are called. {EACH}", show_default="all"),
    ] = None,
    without: Annotated[
        list[str] | None,
        options.Option(
            metavar="NAME|FILE",
            help=f"Exclude graphs, and components asked about, that occur in these rows. {EACH}",
        ),
    ] = None,
    seed: options.Seed = defaults.SEED,
    out: Shared = Path(defaults.OUT),
) -> None:
    """Draw questions about causal graphs, with answers and traces that code computes."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.data.trace_folder import (
        PuzzleRequest,
        generate_puzzles,
        source_of,
        traces_folder,
    )
    from the_experiment.report.summaries import puzzles_summary
    from the_experiment.report.terminal import stdout

    log_to_folder()
    request = PuzzleRequest(
        count=count,
        seed=seed,
        kinds=tuple(kind or ()),
        sizes=tuple(options.numbers(sizes)),
        naming=tuple(one.value for one in naming or Naming),
        without=tuple(str(source_of(one, out)) for one in without or ()),
    )
    stdout.print(puzzles_summary(generate_puzzles(request, traces_folder(name, out))))


@app.command(
    epilog=options.examples(
        "the-experiment traces prepare mine --name mine-rows --against longer",
        "the-experiment traces prepare rows.jsonl --name qwen --base Qwen/Qwen2.5-0.5B "
        "--tags special",
    )
)
def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME|FILE...",
            help="Names or files of puzzles, or of rows with a prompt and a completion.",
        ),
    ],
    name: Annotated[str, options.Option("--name", help="The name of the prepared rows.")],
    arm: Annotated[
        list[Arm] | None,
        options.Option(help=f"What completions hold. {EACH}", show_default="all three"),
    ] = None,
    base: Annotated[
        str,
        options.Option(
            metavar="MODEL",
            help="The model to fine-tune: its tokenizer counts tokens and supplies special ones.",
        ),
    ] = "",
    tags: Annotated[
        Tags,
        options.Option(
            help="The markup of traces. special: a special token and a word, without closing tags."
        ),
    ] = "plain",
    token: Annotated[
        str,
        options.Option(
            help="The special token that opens a trace, with --tags special.",
            show_default="the one that opens turns",
        ),
    ] = "",
    valid: Annotated[
        float, options.Option(min=0, max=0.5, help="The share of the graphs to validate on.")
    ] = 0.1,
    test: Annotated[
        float, options.Option(min=0, max=0.5, help="The share of the graphs to test on.")
    ] = 0.1,
    longest: Annotated[
        int | None,
        options.Option(
            min=1,
            help="Refuse rows longer than this, in tokens of --base, or in characters without one.",
            show_default="the base's context length",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        options.Option(
            metavar="NAME|FILE", help=f"An evaluation set: refuse to train on what is in it. {EACH}"
        ),
    ] = None,
    seed: options.Seed = defaults.SEED,
    out: Shared = Path(defaults.OUT),
) -> None:
    """Write rows to train on, for the trace and its controls, split by graph, never by row."""
    from the_experiment.base.logs import log_to_folder
    from the_experiment.data.trace_folder import source_of, traces_folder
    from the_experiment.data.traces import Preparation, prepared
    from the_experiment.report.summaries import rows_summary
    from the_experiment.report.terminal import stdout

    log_to_folder()
    folder = traces_folder(name, out)
    tokenizer, room = None, None
    if base:
        from the_experiment.models.pretrained import read_base

        tokenizer, room = read_base(base, out)
    how = Preparation(
        seed=seed,
        valid=valid,
        test=test,
        arms=tuple(one.value for one in arm or Arm),
        special=tags == "special",
        token=token,
        longest=longest or room,
        tokenizer=tokenizer,
        against=tuple(source_of(one, out) for one in against or ()),
    )
    stdout.print(rows_summary(prepared([source_of(one, out) for one in sources], folder, how)))


app.command("ask", epilog=traces_endpoint.ASK_EXAMPLES)(traces_endpoint.ask)
app.command("judge", epilog=traces_endpoint.JUDGE_EXAMPLES)(traces_endpoint.judge)
app.command("train", epilog=traces_tuning.TRAIN)(traces_tuning.train)
app.command("evaluate", epilog=traces_tuning.EVALUATE)(traces_tuning.evaluate)
app.command("report", epilog=traces_tuning.REPORT)(traces_tuning.report)
app.command("chat", epilog=traces_tuning.CHAT)(traces_tuning.chat)
app.command("run", epilog=traces_tuning.RUN)(traces_tuning.run)
