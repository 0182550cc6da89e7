#!/usr/bin/env bash
# torch.compile on a CPU (torch 2.13.0): one tensor of 16-bit integers in a kernel, and none of it
# is vectorised.
#
# A dropout mask can be made of random 16-bit integers, which are cheap to draw, inside of a compiled
# step. The kernel that reads them, and all that is fused into it (a layer norm here), is then a loop
# over single numbers; with the same mask as bytes it is vector instructions. Nothing is said.
# What came out on 2026-11-30, AVX-512: int16 no vectors, 0.28 ms; uint8 vectors, 0.06 ms.
set -euo pipefail

command -v g++ >/dev/null || { echo "needs g++"; exit 0; }
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q torch==2.13.0 numpy setuptools
TORCHINDUCTOR_CACHE_DIR="$place/cache" OMP_NUM_THREADS=1 "$place/env/bin/python" - <<'PYTHON'
import statistics
import time

import torch
from torch._inductor.utils import run_and_get_code

torch.set_num_threads(1)
torch.manual_seed(0)
rows = torch.randn(384, 128)
drawn = torch.randint(-(2**15), 2**15, (384, 128), dtype=torch.int16)
masks = {"int16": drawn, "uint8": (drawn <= 26_000).to(torch.uint8)}


def step(x, mask):
    kept = (mask.float() <= 26_000).float() if mask.dtype == torch.int16 else mask.float()
    return torch.nn.functional.layer_norm(x * kept, (128,))


found, results = {}, {}
for name, mask in masks.items():
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, dynamic=False)
    results[name], code = run_and_get_code(compiled, rows, mask)
    kernel = "".join(code)
    # The loop that reads the mask: by vectors, or one number after the other?
    reads = [line for line in kernel.splitlines() if "in_ptr1" in line and "auto tmp" in line]
    found[name] = all("Vectorized" in line or "loadu" in line for line in reads)
    times = []
    for _ in range(200):
        began = time.perf_counter()
        compiled(rows, mask)
        times.append(time.perf_counter() - began)
    print(name, "by vectors:", found[name], f"{statistics.median(times) * 1e3:.2f} ms")
torch.testing.assert_close(results["int16"], results["uint8"])
assert found == {"int16": False, "uint8": True}, found
PYTHON
