"""A training step of BERT-mini in PyTorch, as bench/step.ts times its own.

Reads one JSON line with the threads, the vocabulary and the lengths of the batch's examples, then one line per
round with what to run; answers each with the milliseconds that it took. Without PyTorch it exits with status 3.
"""
import json
import os
import sys
import time

request = json.loads(sys.stdin.readline())
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(request["threads"])
os.environ["OMP_WAIT_POLICY"] = "passive"
try:
    import torch
    from torch.nn import functional as F
    from bert_mini import Model
    from openblas import blas
except ImportError:
    sys.exit(3)
torch.set_num_threads(request["threads"])
torch.manual_seed(1)


def main():
    lengths = torch.tensor(request["lengths"])
    longest = int(lengths.max())
    ids = torch.randint(0, request["vocabulary"], (len(lengths), longest))
    mask = (torch.arange(longest)[None] < lengths[:, None]).float()
    labels = torch.arange(len(lengths)) % 2
    model = Model(request["vocabulary"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, foreach=False)

    def gradients():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(ids, mask), labels).backward()

    def step():
        gradients()
        optimizer.step()

    def forward():
        model.eval()
        with torch.no_grad():
            model(ids, mask)
        model.train()

    work = {"step": step, "gradients": gradients, "forward": forward}
    print(json.dumps({"name": f"torch {torch.__version__}{blas()}", "kinds": list(work)}), flush=True)
    for line in sys.stdin:
        run = work[line.strip()]
        start = time.perf_counter()
        run()
        print((time.perf_counter() - start) * 1000, flush=True)


main()
