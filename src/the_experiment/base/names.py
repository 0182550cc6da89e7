"""Names of worlds, experiments and runs, which are names of files too."""

from __future__ import annotations

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
