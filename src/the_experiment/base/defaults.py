"""Every default that a verb and the library share. Imports nothing, so that `--help` is instant."""

from __future__ import annotations

WORLD = "causal"
SEED = 42

# data
DATASET = "dataset"
TRAIN_ROWS = 20_000
VALID_ROWS = 2_000
TEST_ROWS = 2_000

# runs
OUT = "out"
LOGS = "logs"

# training: the recipe that the project was first described with
MODEL = "gpt2"
WIDTH = 128  # of GPT-2, whose parameters the other models match
LAYERS = 4
HEADS = 4
EPOCHS = 3
LEARNING_RATE = 5e-4
BATCH_SIZE = 16
CHECKPOINT_EVERY = 500  # steps

# programs and questions
ANSWER_TOKENS = 32  # of an answer that is a value, or says it soon
TRACED_PROGRAMS = "make_variable_binding_program"
TRACED_LINES = 5
TRACED_HOPS = 2
TRACED_PAIRS = 50  # for each length and number of hops

# the playground
PORT = 7860
INSIDE_MODELS = ["tiny-gpt2-*"]  # what is looked into where none is named
EVERY_MODEL = ["*"]
