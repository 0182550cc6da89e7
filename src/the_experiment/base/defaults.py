"""What verbs and the library share: choices and defaults. Imports nothing: `--help` is instant."""

from __future__ import annotations

from typing import Literal

Device = Literal["auto", "cpu", "cuda", "mps"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
PrecisionChoice = Literal["auto", "fp32", "bf16"]
Chat = Literal["auto", "chat", "plain"]
Size = Literal["match", "original", "seed"]  # "seed" is an older word for "original"
Loss = Literal["all", "completion"]
Method = Literal["lora", "full"]
Preset = Literal["claire", "claire-7b"]
Replacement = Literal["zero", "mean", "resample"]
ZeroOrMean = Literal["zero", "mean"]
Ablation = Literal["zero", "mean", "both"]
Piece = Literal["head", "attention", "mlp", "layer", "gate"]
Maps = Literal["attention", "lens", "activations", "weights", "logits"]
PatchTarget = Literal["residual_stream", "attention_heads", "both"]
ExecutorName = Literal["local", "ray"]
Style = Literal["auto", "plain", "bare", "chat"]
Tags = Literal["plain", "special"]


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
# For every way to train: with another number of threads sums are made in another order, and other
# weights come out of the same seed. One, since models are mostly trained side by side, and two
# threads beside another busy process wait for each other: 1.4 steps a second in place of 56. The
# price: a single GPT-2 on two idle cores takes 1.1 to 1.3 times as long in bf16 as with two
# threads, and 1.4 to 1.5 times in fp32.
THREADS = 1

# programs and questions
ANSWER_TOKENS = 32  # of an answer that is a value, or says it soon
CHAT_TOKENS = 128  # of one in a chat, which explains first
MANY_PIECES = 64  # with more, only so many are asked in words again
TOP_PIECES = 10
TRACED_PROGRAMS = "make_variable_binding_program"
TRACED_LINES = 5
TRACED_HOPS = 2
TRACED_PAIRS = 50  # for each length and number of hops

# the playground
PORT = 7860
INSIDE_MODELS = ["tiny-gpt2-*"]  # what is looked into where none is named
EVERY_MODEL = ["*"]
