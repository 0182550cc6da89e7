#!/usr/bin/env bash
# transformers 5.24.0: a forward as one trains with it reads values back from the device.
#
# Each such read waits until a GPU has done all that was launched before it, and a CUDA graph can't
# be captured over it. What is read: whether a text begins or ends with the padding token (to warn),
# and whether position ids start again (packed texts). On a CPU nothing of it shows; here every
# operation of a forward without a cache is looked at. A mask of ones, which says that nothing is
# padded, is read as well. Counted on 2026-11-30: see SEEN.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q torch==2.13.0 transformers==5.24.0 numpy
"$place/env/bin/python" - <<'PYTHON'
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoConfig, AutoModelForCausalLM


class Reads(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket.__name__ == "_local_scalar_dense"
        return func(*args, **(kwargs or {}))


SIZES = {
    "gpt2": {"n_layer": 2, "n_embd": 32, "n_head": 2},
    "llama": {
        "num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64,
        "num_attention_heads": 2, "num_key_value_heads": 2,
    },
}
ids = torch.randint(3, 60, (4, 12))
masks = {"no mask": None, "a mask of ones": torch.ones_like(ids)}
found = {}
for name, sizes in SIZES.items():
    config = AutoConfig.for_model(name, vocab_size=64, pad_token_id=0, bos_token_id=1, eos_token_id=1, **sizes)
    model = AutoModelForCausalLM.from_config(config)
    for given, mask in masks.items():
        model(input_ids=ids, attention_mask=mask, use_cache=False)  # what is said once is said
        with Reads() as reads:
            model(input_ids=ids, attention_mask=mask, use_cache=False)
        found[name, given] = reads.count
        print(f"{name}, {given}: {reads.count} reads a forward")
SEEN = {
    ("gpt2", "no mask"): 2, ("gpt2", "a mask of ones"): 1,
    ("llama", "no mask"): 1, ("llama", "a mask of ones"): 1,
}
assert found == SEEN, found
PYTHON
