"""A dense linear layer in PyTorch, one thread, as bench/sparse-linear.ts times its own.

Reads one JSON line with tokens, inputs and outputs, then one line per round with the milliseconds to fill; answers each
with the milliseconds that a product took. Without PyTorch it exits with status 3.
"""
import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"
try:
    import torch
    from torch.nn import functional as F
    from openblas import blas
except ImportError:
    sys.exit(3)
torch.set_num_threads(1)


def main():
    request = json.loads(sys.stdin.readline())
    torch.manual_seed(1)
    x = torch.randn(request["tokens"], request["inputs"])
    weight = torch.randn(request["outputs"], request["inputs"])
    bias = torch.randn(request["outputs"])
    print(json.dumps({"name": f"torch {torch.__version__}{blas()}", "kinds": ["run"]}), flush=True)
    with torch.no_grad():
        for line in sys.stdin:
            until, runs, start = float(line) / 1000, 0, time.perf_counter()
            elapsed = 0.0
            while elapsed < until:
                F.linear(x, weight, bias)
                runs += 1
                elapsed = time.perf_counter() - start
            print(1000 * elapsed / runs, flush=True)


main()
