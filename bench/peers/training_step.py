"""A training step of BERT-mini in PyTorch, as bench/training-step.ts times its own.

Reads one JSON line with the threads, the vocabulary and the lengths of the batch's examples, then one line per
round with what to run; answers each with the milliseconds that it took. Without PyTorch it exits with status 3.
"""
import json
import math
import os
import sys
import time

request = json.loads(sys.stdin.readline())
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(request["threads"])
os.environ["OMP_WAIT_POLICY"] = "passive"
try:
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError:
    sys.exit(3)
torch.set_num_threads(request["threads"])
torch.manual_seed(1)

HIDDEN, HEADS, INNER, LAYERS, POSITIONS, RATE = 256, 4, 1024, 4, 512, 0.1


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.first_norm, self.second_norm = (nn.LayerNorm(HIDDEN, 1e-12) for _ in range(2))
        self.expand, self.contract = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)
        self.dropout = nn.Dropout(RATE)

    def forward(self, x, bias):
        batch, length, _ = x.shape

        def heads(rows):
            return rows.view(batch, length, HEADS, HIDDEN // HEADS).transpose(1, 2)

        query, key, value = heads(self.query(x)), heads(self.key(x)), heads(self.value(x))
        scores = query @ key.transpose(-1, -2) / math.sqrt(HIDDEN // HEADS) + bias
        context = self.dropout(scores.softmax(-1)) @ value
        context = context.transpose(1, 2).reshape(batch, length, HIDDEN)
        x = self.first_norm(x + self.dropout(self.output(context)))
        return self.second_norm(x + self.dropout(self.contract(F.gelu(self.expand(x)))))


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.words, self.places = nn.Embedding(vocabulary, HIDDEN), nn.Embedding(POSITIONS, HIDDEN)
        self.types, self.norm = nn.Embedding(2, HIDDEN), nn.LayerNorm(HIDDEN, 1e-12)
        self.dropout = nn.Dropout(RATE)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.pooler, self.classifier = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 2)

    def forward(self, ids, mask):
        bias = ((1 - mask) * -1e9)[:, None, None, :]
        places = torch.arange(ids.shape[1])[None]
        x = self.words(ids) + self.places(places) + self.types(torch.zeros_like(ids))
        x = self.dropout(self.norm(x))
        for layer in self.layers:
            x = layer(x, bias)
        return self.classifier(self.dropout(torch.tanh(self.pooler(x[:, 0]))))


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
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        run = work[line.strip()]
        start = time.perf_counter()
        run()
        print((time.perf_counter() - start) * 1000, flush=True)


main()
