"""A global 4x1 snip_momentum mask step in PyTorch, one thread, as bench/mask-step.ts times its own.

Reads one JSON line with the shapes, then one line per step with the share of blocks to prune; answers each
with the milliseconds that the step took. Without PyTorch it exits with status 3.
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

HEIGHT = 4


class Layer:
    def __init__(self, rows, columns):
        self.blocks = (rows // HEIGHT, HEIGHT, columns)
        self.weight = torch.randn(rows, columns) * 0.02
        self.gradient = torch.randn(rows, columns) * 0.001
        self.scores = torch.zeros(rows // HEIGHT, columns)
        self.mask = torch.ones(rows, columns, dtype=torch.bool)


def update_scores(layers):
    for layer in layers:
        fresh = torch.mul(layer.weight, layer.gradient).abs_().view(layer.blocks).mean(1)
        layer.scores.mul_(0.9).add_(fresh)


def prune(layers, ratio):
    scores = torch.cat([layer.scores.flatten() for layer in layers])
    threshold = torch.kthvalue(scores, max(1, int(scores.numel() * ratio))).values
    for layer in layers:
        kept = layer.scores > threshold
        layer.mask = kept.unsqueeze(1).expand(layer.blocks).reshape(layer.weight.shape)
        layer.weight.mul_(layer.mask)


def main():
    request = json.loads(sys.stdin.readline())
    torch.manual_seed(request["seed"])
    layers = [Layer(rows, columns) for rows, columns in request["shapes"]]
    print(json.dumps({"name": f"torch {torch.__version__}", "kinds": ["step"]}), flush=True)
    with torch.no_grad():
        for line in sys.stdin:
            start = time.perf_counter()
            update_scores(layers)
            prune(layers, float(line))
            print((time.perf_counter() - start) * 1000, flush=True)


main()
