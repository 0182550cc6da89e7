#!/usr/bin/env bash
# transformers 5.0 to 5.14 give a new GPT-2 no scaled residual weights, though their code says so.
#
# GPT-2's paper scales the weights of residual layers by 1/√(2 · layers) at initialisation.
# transformers 4.57 and 5.15 do; in between, the code is there and reaches no weight, as it looks
# for a parameter called `c_proj.weight` in whole models only, whose parameters have longer names.
# Models that are trained from scratch begin elsewhere, with the same seed and the same config. With
# 12 layers the weights are five times too large. What came out on 2026-11-29 stands in SEEN.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q torch==2.13.0 numpy

look() {
    "$place/env/bin/pip" install -q "transformers==$1"
    "$place/env/bin/python" - "$2" <<'PYTHON'
import sys

import torch
import transformers
from transformers import GPT2Config, GPT2LMHeadModel

torch.manual_seed(0)
sizes = {"n_layer": 12, "n_embd": 128, "n_head": 4, "vocab_size": 64}
model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))
block = model.transformer.h[0]
found = [round(module.c_proj.weight.std().item(), 3) for module in (block.attn, block.mlp)]
print("transformers", transformers.__version__, "c_proj of attention and MLP:", *found)
SEEN = {"scaled": [0.004, 0.004], "not": [0.02, 0.02]}  # 0.02 / √24 is 0.0041
assert found == SEEN[sys.argv[1]], found
PYTHON
}

look 4.57.6 scaled
look 5.0.0 not
look 5.14.1 not
look 5.15.0 scaled
