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
    torch.uint16: "U16",
    torch.uint32: "U32",
    torch.uint64: "U64",
    torch.complex64: "C64",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e8m0fnu: "F8_E8M0",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
}
# The types of the first state dict.
CLASSIC = list(DTYPES)[:10]


def state_dict():
    torch.manual_seed(1)
    base = torch.randn(6, 8)
    state = OrderedDict()
    for dtype in CLASSIC:
        state[f"plain.{DTYPES[dtype]}"] = (torch.randn(3, 5) * 50).to(dtype)
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
        data = bytes(tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
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


FLOAT8 = {
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}


def float8_values():
    """The float32 value of every byte as 8-bit float."""
    codes = torch.arange(256, dtype=torch.uint8)
    return OrderedDict((name, codes.view(dtype).to(torch.float32)) for name, dtype in FLOAT8.items())


def new_dtypes():
    """Tensors of types that have no storage class of their own, and complex numbers."""
    codes = torch.arange(6, dtype=torch.uint8).reshape(2, 3)
    state = OrderedDict((name, (codes + 0x30).view(dtype)) for name, dtype in FLOAT8.items())
    state["U16"] = torch.tensor([1, 65535], dtype=torch.uint16)
    state["U32"] = torch.tensor([1, 2**32 - 1], dtype=torch.uint32)
    state["U64"] = torch.tensor([1, 2**64 - 1], dtype=torch.uint64)
    state["C64"] = torch.tensor([1 + 2j, -3j], dtype=torch.complex64)
    state["column"] = torch.arange(12, dtype=torch.uint8).view(torch.float8_e5m2).reshape(3, 4)[:, 1]
    return state


def training_checkpoint():
    """A model's state dict beside the state of an optimizer and of schedulers, as training scripts save them."""
    torch.manual_seed(2)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[2, 5])
    for _ in range(2):
        model(torch.randn(5, 3)).sum().backward()
        optimizer.step()
        scheduler.step()
    return model.state_dict(), {
        "epoch": 2,
        "loss": torch.tensor(0.5),
        "rng_state": torch.get_rng_state()[:8].clone(),
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }


def main(directory):
    directory.mkdir(parents=True, exist_ok=True)
    state = state_dict()
    torch.save(state, directory / "zip.bin")
    torch.save(state, directory / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": dict(state)}, directory / "nested.bin")
    write_twin(state, directory / "twin.safetensors")
    write_shards(state, directory / "sharded")
    write_twin(float8_values(), directory / "float8.safetensors")
    new = new_dtypes()
    torch.save(new, directory / "new-dtypes.bin")
    torch.save(new, directory / "new-dtypes-legacy.bin", _use_new_zipfile_serialization=False)
    write_twin(new, directory / "new-dtypes.safetensors")
    weights, rest = training_checkpoint()
    checkpoint = {**rest, "model_state_dict": weights}
    torch.save(checkpoint, directory / "training.bin")
    torch.save(checkpoint, directory / "training-legacy.bin", _use_new_zipfile_serialization=False)
    write_twin(weights, directory / "training.safetensors")


main(Path(sys.argv[1]))
