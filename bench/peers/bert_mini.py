"""BERT-mini as a classifier in PyTorch, for the programs here."""
import math

import torch
from torch import nn
from torch.nn import functional as F

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
