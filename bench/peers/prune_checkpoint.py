"""Prunes a safetensors file with PyTorch on one thread, as bench/checkpoint.ts times `espalier prune`.

Maps the file, takes top-k masks by magnitude and saves a copy. Reads one JSON line with the paths, the pattern (2:4, or
4x1 with one threshold for all layers) and the share to prune, then one line per round; answers each with the milliseconds
that the round took in a process of its own, without the start of Python. Without PyTorch and safetensors it exits with status 3.
"""
import json
import os
import sys
import time

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
try:
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file
except ImportError:
    sys.exit(3)
torch.set_num_threads(1)


def prune_groups(file, out):
    for name in file.keys():
        weight = file.get_tensor(name)
        groups = weight.abs().view(-1, 4)
        lowest = groups.topk(2, largest=False).indices
        mask = torch.ones_like(groups, dtype=torch.bool).scatter_(1, lowest, False)
        out[name] = weight * mask.view(weight.shape)


def block_scores(weight):
    rows, columns = weight.shape
    return weight.abs().view(rows // 4, 4, columns).mean(1)


def prune_blocks(file, out, share):
    scores = {name: block_scores(file.get_tensor(name)) for name in file.keys()}
    every = torch.cat([score.flatten() for score in scores.values()])
    threshold = every.kthvalue(int(share * every.numel())).values
    for name, score in scores.items():
        mask = (score > threshold).repeat_interleave(4, 0)
        out[name] = file.get_tensor(name) * mask


def prune(request):
    out = {}
    with safe_open(request["from"], "pt") as file:
        if request["pattern"] == "2:4":
            prune_groups(file, out)
        else:
            prune_blocks(file, out, request["share"])
    save_file(out, request["to"])


def main():
    request = json.loads(sys.stdin.readline())
    print(json.dumps({"name": f"torch {torch.__version__}", "kinds": ["prune"]}), flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        child = os.fork()
        if child == 0:
            prune(request)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        milliseconds = (time.perf_counter() - start) * 1000
        if status != 0:
            sys.exit(1)
        os.remove(request["to"])
        print(milliseconds, flush=True)


main()
