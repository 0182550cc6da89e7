"""What verbs share: options, each said once; help panels; and what every verb refuses."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand, TyperOption

from the_experiment.base.defaults import Chat, Device, Dtype, ExecutorName, PrecisionChoice
from the_experiment.base.errors import UsageError

# The help's panels, along the way that an experiment goes.
WORLDS_AND_DATA = "1. Worlds and data"
TRAINING = "2. Training"
TESTING = "3. Rule or pattern?"
INSIDE = "4. Look inside, and break it"
PROGRAMS = "5. Programs and questions, for any model"
TUNING = "6. Fine-tune an existing model"
EXPERIMENTS = "7. Whole experiments"
PLAYGROUND = "8. Playground"

# Every option can be set in the environment too (`auto_envvar_prefix` in app.py); saying so beside
# each would bury the help.
Option = functools.partial(typer.Option, show_envvar=False)

State: TypeAlias = Annotated[
    str, typer.Argument(metavar="SEQ", help="The sequence to answer, such as '1,0,1,0,1'.")
]
World: TypeAlias = Annotated[
    str, Option("--world", "-w", help="A world by name, or a YAML file.", metavar="WORLD")
]
OnlyWorld: TypeAlias = Annotated[
    str, Option("--world", "-w", help="Only models of this world.", metavar="WORLD")
]
Models: TypeAlias = Annotated[
    list[str],
    Option(
        "--model",
        "-m",
        help="A trained model by name, with * for any characters, or its folder. Can be repeated.",
        metavar="MODEL",
    ),
]
Out: TypeAlias = Annotated[Path, Option("--out", help="The folder of the trained models.")]
Seed: TypeAlias = Annotated[
    int, Option("--seed", min=0, help="The random seed. The same seed draws the same numbers.")
]
TrainingSeed: TypeAlias = Annotated[
    int,
    Option(
        "--seed",
        min=0,
        help="The random seed. The same seed on the same machine with the same number of threads "
        "gives the same weights.",
    ),
]
Threads: TypeAlias = Annotated[
    int,
    Option(
        "--threads",
        min=1,
        help="The CPU threads of each training. Another number gives slightly different weights.",
    ),
]
Deterministic: TypeAlias = Annotated[
    bool,
    Option(
        "--deterministic",
        help="Train in fp32, on one thread and with a fixed set of AVX2 instructions, meant to "
        "give the same weights on other x86 processors. It takes three to five times as long.",
    ),
]
Seeds: TypeAlias = Annotated[
    str,
    Option(
        "--seeds",
        metavar="1-5",
        help="Train once for each of these seeds, in place of --seed.",
        show_default="one seed",
    ),
]
OnExecutor: TypeAlias = Annotated[
    ExecutorName,
    Option(
        "--executor",
        help="Where to compute: processes of this machine, or a Ray cluster (extra: cluster).",
    ),
]
Address: TypeAlias = Annotated[
    str,
    Option(
        "--address",
        metavar="HOST:PORT",
        help="The Ray cluster to compute on.",
        show_default="a cluster started here",
    ),
]
Gpus: TypeAlias = Annotated[
    float,
    Option(
        min=0,
        metavar="SHARE",
        help="The share of a GPU for each cell on Ray, such as 0.25: four at a time on one GPU. "
        "0: cells compute on processors.",
    ),
]
AsJson: TypeAlias = Annotated[bool, Option("--json", help="Print the results as JSON.")]


AskedIn: TypeAlias = Annotated[
    Chat, Option("--chat", help="How to apply the tokenizer's chat template. auto: if it has one.")
]
OfDtype: TypeAlias = Annotated[
    Dtype,
    Option(
        "--dtype", help="The data type of the weights. auto: the one that the model was saved in."
    ),
]
OfPrecision: TypeAlias = Annotated[
    PrecisionChoice,
    Option(
        "--precision",
        help="The precision of the matrix products. auto: bf16 on hardware with native support.",
    ),
]
OnDevice: TypeAlias = Annotated[
    Device, Option("--device", help="The device to run on. auto: a GPU if there is one.")
]


def _read_config(context: typer.Context, file: Path | None) -> Path | None:
    """Make the file's values the defaults of this call; flags and environment go over them."""
    if file is not None:
        from the_experiment.base.settings import read_settings

        known = [parameter.name for parameter in context.command.params if parameter.name]
        context.default_map = {**(context.default_map or {}), **read_settings(file, known)}
    return file


ConfigFile: TypeAlias = Annotated[
    Path | None,
    Option(
        "--config",
        is_eager=True,
        callback=_read_config,
        metavar="FILE",
        help="A YAML file with these options, such as a run's config.yaml.",
    ),
]


def assignment(text: str) -> tuple[str, int]:
    """`newB=0` as a name and a whole number. Raises `UsageError` for another text."""
    name, _, value = text.partition("=")
    if not value.removeprefix("-").isdecimal():
        raise UsageError(
            f"{text!r} is not of the form PART=VALUE", "such as newB=0 and a sequence, or --all"
        )
    return name, int(value)


def share(text: str) -> float | None:
    """`0.1%` or `0.001` as a number; None for nothing. Raises `UsageError` for another text."""
    if not text:
        return None
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise UsageError(f"{text!r} is not a share", "such as 0.1% or 0.001") from None


def numbers(text: str) -> list[int]:
    """`2-4,8` as 2, 3, 4 and 8; none for nothing. Raises `UsageError` for another text."""
    found: list[int] = []
    for part in text.replace(" ", "").split(",") if text else []:
        first, dash, last = part.partition("-")
        ends = (first, last) if dash else (first, first)
        if not all(map(str.isdecimal, ends)) or len(part) > 9 or int(ends[0]) > int(ends[1]):
            raise UsageError(f"{text!r} is not a list of numbers", "such as 2-6 or 2,4,8")
        found += range(int(ends[0]), int(ends[1]) + 1)
    return found


def seconds(text: str) -> float:
    """`90s`, `30m` or `2h` in seconds; no limit for nothing. Raises `UsageError`.

    >>> seconds("1.5m"), seconds("")
    (90.0, inf)
    """
    if not text:
        return math.inf
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise UsageError(f"{text!r} is not a time", "such as 90s, 30m or 2h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def examples(*lines: str) -> str:
    """The examples under a verb's help."""
    return "[bold]Examples[/]\n\n" + "\n\n".join(f"$ {line}" for line in lines)


class Verb(TyperCommand):
    """Refuses an option that is given twice, of which all but the last would be dropped."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words after the verb. Raises `UsageError`."""
        _, _, given = self.make_parser(ctx).parse_args(args=[*args])
        for one, times in Counter(given).items():
            if times > 1 and isinstance(one, TyperOption) and not (one.multiple or one.is_flag):
                raise UsageError(f"{', '.join(one.opts)} is given {times} times", "give it once")
        return super().parse_args(ctx, args)


class Verbs(typer.Typer):
    """An app of such verbs."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a function as a verb."""
        return super().command(name, cls=Verb, **settings)
