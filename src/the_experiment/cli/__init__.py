"""The console command: one verb a file, each a thin typed function over one library function."""

from __future__ import annotations

import os
import sys

from the_experiment.cli.app import app
from the_experiment.cli.printed_flags import as_verbs


def main(arguments: list[str] | None = None) -> None:
    """Run the command with `arguments` (default: the process's) and exit.

    Exit codes: 0, 1 expected failure, 2 usage, 130 interrupted.
    """
    from the_experiment.base.errors import ExperimentError

    words = as_verbs(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, prog_name="the-experiment")
    except ExperimentError as error:
        print(f"error: {error.what}", file=sys.stderr)
        if error.mend:
            print(f"  → {error.mend}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read the output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        print(f"error: {error.strerror or error}{place}", file=sys.stderr)
        sys.exit(1)
