"""The verbs, in help panels along the way that an experiment goes."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from the_experiment.cli import (
    bet,
    compare,
    demo,
    experiments,
    generate,
    inside,
    models,
    options,
    programs,
    questions,
    replay,
    sweep,
    testui,
    traces,
    train,
    worlds,
)
from the_experiment.cli.options import Verbs
from the_experiment.cli.printed_flags import flags_help


class InOrder(TyperGroup):
    """Verbs by panel, in the order of an experiment; typer puts those with verbs of their own last.

    In the first panel worlds come first.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all verbs."""
        return sorted(super().list_commands(ctx), key=self._place)

    def _place(self, name: str) -> tuple[str, bool]:
        panel = getattr(self.commands[name], "rich_help_panel", None)
        return str(panel), name != "worlds"


app = Verbs(
    cls=InOrder,
    name="the-experiment",
    help="Did this model learn the rule, or a pattern?\n\n"
    "Write a small world of rules, hide some of its states, train GPT-2, RNN and CNN on the rest, "
    "and test each against the rules.",
    epilog=options.examples(
        "the-experiment demo",
        "the-experiment generate --hold-out-where 'A AND C'",
        "the-experiment train all --until-fit",
    )
    + "\n\n"
    + flags_help()
    + "\n\nEvery option can be set in the environment: THE_EXPERIMENT_GENERATE_SEED=7.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "THE_EXPERIMENT",
    },
)

for verbs in (generate, train, compare, inside, replay, demo, sweep, testui):
    app.add_typer(verbs.app)
for group, name, panel in (
    (worlds, "worlds", options.WORLDS_AND_DATA),
    (models, "models", options.PROGRAMS),
    (programs, "programs", options.PROGRAMS),
    (questions, "questions", options.PROGRAMS),
    (traces, "traces", options.TUNING),
    (bet, "bet", options.TUNING),
    (experiments, "experiments", options.EXPERIMENTS),
):
    app.add_typer(group.app, name=name, rich_help_panel=panel)


@app.callback()
def start() -> None:
    """Set up what every verb needs before it runs."""
    from the_experiment.base.logs import log_to_terminal

    log_to_terminal()
