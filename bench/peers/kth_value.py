"""torch.kthvalue, one thread, as bench/selection.ts times its own selection.

Reads one JSON line with the number of scores and k, then one line per round; answers each with the
milliseconds that the round took. Without PyTorch it exits with status 3.
"""
import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["OMP_WAIT_POLICY"] = "passive"
try:
    import torch
except ImportError:
    sys.exit(3)
torch.set_num_threads(1)


def main():
    request = json.loads(sys.stdin.readline())
    torch.manual_seed(request["seed"])
    scores = torch.randn(request["count"]).mul_(torch.randn(request["count"])).abs_()
    print(json.dumps({"name": f"torch {torch.__version__}", "kinds": ["find"]}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        torch.kthvalue(scores, request["k"])
        print((time.perf_counter() - start) * 1000, flush=True)


main()
