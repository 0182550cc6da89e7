"""The console command: verbs as thin typed functions, each over one library function."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from types import FrameType


def main(arguments: list[str] | None = None) -> None:
    """Run the command with `arguments` (default: the process's) and exit.

    Exit codes: 0, 1 expected failure, 2 usage, 130 interrupted.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # before typer is there, which sees to it from then on
        sys.exit(130)
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{place}", file=sys.stderr)
        sys.exit(1)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Act as Ctrl-C does, upon which a training keeps a checkpoint.

    `timeout`, SLURM and Kubernetes send SIGTERM. A shell that starts a command in the background
    may have Ctrl-C ignored: that is no reason to ignore this.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _run(arguments: list[str]) -> None:
    # Imported here: they take a third of a second, in which Ctrl-C is no traceback either.
    from the_experiment.base.errors import ExperimentError
    from the_experiment.cli.app import app
    from the_experiment.cli.printed_flags import as_verbs

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a `?` where a terminal has no – or ×
    try:
        app(as_verbs(arguments), prog_name="the-experiment")
    except ExperimentError as error:
        print(f"error: {error.what}", file=sys.stderr)
        if error.hint:
            print(f"  → {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
