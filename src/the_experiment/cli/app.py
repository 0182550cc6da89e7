"""The verbs, in help panels along the way that an experiment goes."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from the_experiment.cli import (
    ablate,
    attribute,
    bet,
    compare,
    damage,
    demo,
    experiments,
    faithfulness,
    force,
    generate,
    inspect,
    options,
    patch,
    probe,
    programs,
    questions,
    replay,
    test,
    testui,
    traces,
    train,
    worlds,
)
from the_experiment.cli.printed_flags import told
from the_experiment.cli.verb import Verbs


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
    + told()
    + "\n\nEvery option can be set in the environment: THE_EXPERIMENT_GENERATE_SEED=7.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "THE_EXPERIMENT",
    },
)

WORLDS_AND_DATA = "1. Worlds and data"
TRAINING = "2. Training"
TESTING = "3. Rule or pattern?"
INSIDE = "4. Look inside, and break it"
PROGRAMS = "5. Programs and questions, for any model"
TUNING = "6. Fine-tune an existing model"
EXPERIMENTS = "7. Whole experiments"
PLAYGROUND = "8. Playground"

app.add_typer(worlds.app, name="worlds", rich_help_panel=WORLDS_AND_DATA)
app.command("generate", rich_help_panel=WORLDS_AND_DATA, epilog=generate.EXAMPLES)(
    generate.generate
)
app.command("train", rich_help_panel=TRAINING, epilog=train.EXAMPLES)(train.train)
app.command(
    "test",
    rich_help_panel=TESTING,
    epilog=test.EXAMPLES,
    context_settings={"ignore_unknown_options": True},  # a sequence may begin with a minus
)(test.test)
app.command("compare", rich_help_panel=TESTING, epilog=compare.EXAMPLES)(compare.compare)
app.command("inspect", rich_help_panel=INSIDE, epilog=inspect.EXAMPLES)(inspect.inspect)
app.command("attribute", rich_help_panel=INSIDE, epilog=attribute.EXAMPLES)(attribute.attribute)
app.command("patch", rich_help_panel=INSIDE, epilog=patch.EXAMPLES)(patch.patch)
app.command("ablate", rich_help_panel=INSIDE, epilog=ablate.EXAMPLES)(ablate.ablate)
app.command("force", rich_help_panel=INSIDE, epilog=force.EXAMPLES)(force.force)
app.command("probe", rich_help_panel=INSIDE, epilog=probe.EXAMPLES)(probe.probe)
app.command("damage", rich_help_panel=INSIDE, epilog=damage.EXAMPLES)(damage.damage)
app.command("faithfulness", rich_help_panel=INSIDE, epilog=faithfulness.EXAMPLES)(
    faithfulness.faithfulness
)
app.command("replay", rich_help_panel=INSIDE, epilog=replay.EXAMPLES)(replay.replay)
app.add_typer(programs.app, name="programs", rich_help_panel=PROGRAMS)
app.add_typer(questions.app, name="questions", rich_help_panel=PROGRAMS)
app.add_typer(traces.app, name="traces", rich_help_panel=TUNING)
app.command("demo", rich_help_panel=EXPERIMENTS, epilog=demo.EXAMPLES)(demo.demo)
app.add_typer(experiments.app, name="experiments", rich_help_panel=EXPERIMENTS)
app.add_typer(bet.app, name="bet", rich_help_panel=TUNING)
app.command("testui", rich_help_panel=PLAYGROUND, epilog=testui.EXAMPLES)(testui.testui)
app.command("ui", rich_help_panel=PLAYGROUND, epilog=testui.EXAMPLES, help="Short for testui.")(
    testui.testui
)


@app.callback()
def start() -> None:
    """Set up what every verb needs before it runs."""
    from the_experiment.base.logs import log_to_terminal

    log_to_terminal()
