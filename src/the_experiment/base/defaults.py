"""Every default that a verb and the library share. Imports nothing, so that `--help` is instant."""

from __future__ import annotations

WORLD = "causal"

# data
DATASET = "dataset"
TRAIN_ROWS = 20_000
VALID_ROWS = 2_000
TEST_ROWS = 2_000
SEED = 42

# runs
OUT = "out"
