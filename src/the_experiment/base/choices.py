"""What can be chosen, in commands, in files and in Python: each list of words in one place."""

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
Maps = Literal["attention", "lens", "activations", "weights", "logits"]
PatchTarget = Literal["residual_stream", "attention_heads", "both"]
Style = Literal["auto", "plain", "bare", "chat"]
Tags = Literal["plain", "special"]
