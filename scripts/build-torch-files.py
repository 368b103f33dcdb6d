"""State dicts as torch.save writes them, in both of its formats, and their twin in safetensors: what the reader of
PyTorch's files is tested on. Needs PyTorch; the files are committed.

    python3 scripts/build-torch-files.py test/io/torch
"""

import json
import struct
import sys
from collections import OrderedDict
from pathlib import Path

import torch

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def state_dict():
    torch.manual_seed(1)
    base = torch.randn(6, 8)
    state = OrderedDict()
    for dtype, name in DTYPES.items():
        state[f"plain.{name}"] = (torch.randn(3, 5) * 50).to(dtype)
    state["transposed"] = base.t()
    state["part"] = base[2:4, 1:5]
    state["column"] = base[:, 3]
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.empty(0, 4)
    state["special"] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-42])
    model = torch.nn.Sequential(torch.nn.Embedding(8, 4), torch.nn.Linear(4, 8, bias=False))
    model[1].weight = model[0].weight
    for name, tensor in model.state_dict().items():
        state[f"tied.{name}"] = tensor
    state["parameter.weight"] = torch.nn.Parameter(torch.randn(4, 4))
    state._metadata = OrderedDict([("", {"version": 1})])
    return state


def write_twin(state, path):
    header, chunks, begin = {}, [], 0
    for name, tensor in state.items():
        data = bytes(tensor.detach().contiguous().view(-1).view(torch.uint8).numpy()) if tensor.dim() else struct.pack("<f", tensor.item())
        header[name] = {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, begin + len(data)],
        }
        begin += len(data)
        chunks.append(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def write_shards(state, directory):
    """As transformers writes a model in several files: each a state dict, and an index beside them."""
    directory.mkdir(exist_ok=True)
    names = list(state)
    weight_map = {}
    for number, part in enumerate([names[:7], names[7:]], start=1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save(OrderedDict((name, state[name]) for name in part), directory / file)
        weight_map.update({name: file for name in part})
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (directory / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    state = state_dict()
    torch.save(state, directory / "zip.bin")
    torch.save(state, directory / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": dict(state)}, directory / "nested.bin")
    write_twin(state, directory / "twin.safetensors")
    write_shards(state, directory / "sharded")


main(Path(sys.argv[1]))
