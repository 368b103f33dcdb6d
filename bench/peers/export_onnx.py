"""Writes BERT-mini as an ONNX model for a batch of a given shape: `export_onnx.py PATH`, the request on standard input.

Without PyTorch it exits with status 3.
"""
import json
import sys

request = json.loads(sys.stdin.readline())
try:
    import torch
    from bert_mini import Model
except ImportError:
    sys.exit(3)
torch.manual_seed(1)

shape = (len(request["lengths"]), max(request["lengths"]))
ids = torch.randint(0, request["vocabulary"], shape)
torch.onnx.export(
    Model(request["vocabulary"]).eval(),
    (ids, torch.ones(shape)),
    sys.argv[1],
    opset_version=14,
    input_names=["ids", "mask"],
    output_names=["logits"],
    do_constant_folding=True,
)
