"""Checks that transformers loads pruned checkpoints and computes the logits of weights zeroed in Python.

usage: python check-transformers.py ROLES PRUNED MODEL...

ROLES has a directory for each model with config.json, model.safetensors and roles.json. PRUNED has the directories that
`espalier prune ROLES/MODEL --pattern 2:4 --sparsity 0.5 --exclude-head false --out PRUNED/MODEL` wrote.
"""

import json
import sys
from pathlib import Path

import torch
import transformers


def zeroed(weight, role, axes):
    """2:4 along the inputs: the two smallest magnitudes of each group become zero; of equal ones, the first."""
    stack = weight if role == "experts" else weight.unsqueeze(0)
    first = stack.transpose(1, 2) if axes == "in,out" else stack
    moved = first.movedim(2, -1) if first.dim() > 3 else first
    flat = moved.reshape(first.shape[0], first.shape[1], -1)
    if flat.shape[-1] % 4:
        return weight
    groups = flat.reshape(*flat.shape[:2], -1, 4)
    order = groups.abs().sort(dim=-1, stable=True).indices[..., :2]
    kept = groups.scatter(-1, order, 0.0).reshape(moved.shape)
    back = kept.movedim(-1, 2) if first.dim() > 3 else kept
    back = back.transpose(1, 2) if axes == "in,out" else back
    return back if role == "experts" else back.squeeze(0)


def inputs_of(config):
    if config.model_type == "resnet":
        shape = (2, config.num_channels, 32, 32)
        return {"pixel_values": torch.rand(shape, generator=torch.Generator().manual_seed(0))}
    ids = torch.arange(2 * 12).reshape(2, 12) % config.vocab_size
    return {"input_ids": ids, **({"decoder_input_ids": ids} if config.is_encoder_decoder else {})}


def load(path, architecture):
    model, info = getattr(transformers, architecture).from_pretrained(path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    return model.eval()


def main(roles, pruned, *names):
    failed = 0
    for name in names:
        source = Path(roles) / name
        facts = json.loads((source / "roles.json").read_text())
        architecture = json.loads((source / "config.json").read_text())["architectures"][0]
        expected = load(source, architecture)
        state = dict(expected.named_parameters())
        with torch.no_grad():
            for key, fact in facts["parameters"].items():
                if fact.get("axes"):
                    state[key].copy_(zeroed(state[key], fact["role"], fact["axes"]))
            given = inputs_of(expected.config)
            same = torch.equal(expected(**given).logits, load(Path(pruned) / name, architecture)(**given).logits)
        failed += not same
        print(f"{name}: {'the same logits' if same else 'OTHER LOGITS'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
