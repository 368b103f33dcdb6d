#!/usr/bin/env python3
"""Runs a mask selection against the golden vectors. Needs Python 3.8 and numpy, and nothing else.

    python3 run.py [--only REGEX] [--implementation FILE]

What it covers: from recorded scores, the masks and counts that Intel Neural Compressor selects for NxM
and N:M patterns, global and local, where no per-layer bound acts (`pruning`); one layer's mask at a ratio
(`pruning_tables`, single_mask); magnitude scores and exact masks with bounds (`strict`). All other vectors
are skipped, and so are those that a FILE given does not define the function for. The functions at the top
of this file are the plain implementation, and the form of one of your own.

The last line is `N passed, N acceptable, N failed, N skipped`; the exit status is 1 where one failed. It is 2
where nothing was judged, and one line on stderr says why: a wrong option or manifest, or all were skipped.
"""
import argparse
import functools
import importlib.util
import json
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent
FORMAT, MAJOR = "espalier-conformance", 1


class Plain:
    """The plain implementation. A file of your own defines functions of these names."""

    @staticmethod
    def inc_blocks(scores, ratio):
        """Masks (1 = kept) of blocks that share a budget: all up to the k-th smallest score go, ties too."""
        everything = np.sort(np.concatenate([score.ravel() for score in scores]))
        k = int(everything.size * ratio)
        limit = everything[k - 1] if k >= 1 else -np.inf
        return [(score > limit).astype(np.uint8) for score in scores]

    @staticmethod
    def inc_groups(scores, n, m, ratio, reduction):
        """Masks of elements [out, in] under N:M: in the lowest groups, all up to the N-th smallest go."""
        groups = [score.reshape(score.shape[0], -1, m) for score in scores]
        lost = [group <= np.sort(group, axis=2)[:, :, n - 1 : n] for group in groups]
        reduce = {"mean": np.mean, "sum": np.sum, "max": np.max}[reduction]
        costs = [reduce(np.where(gone, group, 0), axis=2) for group, gone in zip(groups, lost)]
        kept = Plain.inc_blocks(costs, ratio * m / n)
        return [
            np.where(keep[:, :, None] == 1, 1, 1 - gone).reshape(score.shape).astype(np.uint8)
            for keep, gone, score in zip(kept, lost, scores)
        ]

    @staticmethod
    def magnitude(matrix, height, width):
        """The mean magnitude of each block of a matrix."""
        rows, columns = matrix.shape
        blocks = np.abs(matrix).reshape(rows // height, height, columns // width, width)
        return blocks.mean(axis=(1, 3), dtype=np.float32)

    @staticmethod
    def strict_units(scores, pruned, fewest, most):
        """Masks of blocks that share a budget of exactly `pruned`, each layer within its bounds."""
        order = sorted(
            (score, layer, index)
            for layer, layer_scores in enumerate(scores)
            for index, score in enumerate(layer_scores.ravel().tolist())
        )
        masks = [np.ones(score.size, np.uint8) for score in scores]
        for limits in (fewest, most):
            for _, layer, index in order:
                gone = [int(np.sum(mask == 0)) for mask in masks]
                if sum(gone) < pruned and gone[layer] < limits[layer]:
                    masks[layer][index] = 0
        return [mask.reshape(score.shape) for mask, score in zip(masks, scores)]


def read_safetensors(path):
    """Every tensor of a file, by name."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    dtypes = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1"}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            begin, end = (8 + size + offset for offset in entry["data_offsets"])
            flat = np.frombuffer(data[begin:end], dtypes[entry["dtype"]])
            tensors[name] = flat.reshape(entry["shape"])
    return tensors


def as_matrix(weight):
    """[out, in], or a convolution's [out, positions x channels]: the order in which blocks lie."""
    return np.moveaxis(weight, 1, -1).reshape(weight.shape[0], -1)


def as_weight(matrix, shape):
    """The inverse of as_matrix."""
    return np.moveaxis(matrix.reshape(shape[0], *shape[2:], shape[1]), -1, 1)


def read_pattern(text, shape):
    """("group", N, M), or ("block", height, width) on a layer of this shape."""
    if ":" in text:
        return ("group", *map(int, text.split(":")))
    height, width = text.split("x")
    return (
        "block",
        shape[0] if height == "channel" else int(height),
        shape[1] if width == "channel" else int(width),
    )


def first_difference(what, expected, got):
    """Where two arrays part, in words; None where they do not."""
    expected, got = np.asarray(expected), np.asarray(got)
    if expected.shape != got.shape:
        return f"{what} shape: expected {list(expected.shape)}, got {list(got.shape)}"
    wrong = np.flatnonzero(expected.ravel() != got.ravel())
    if wrong.size == 0:
        return None
    i = int(wrong[0])
    return f"{what}[{i}]: expected {expected.ravel()[i]}, got {got.ravel()[i]}"


def units_of(pattern, scores):
    """The scores of what is pruned whole: blocks as stated, a group's mean of its N lowest over all M."""
    if pattern[0] == "block":
        return scores
    _, n, m = pattern
    groups = np.sort(scores.reshape(scores.shape[0], -1, m), axis=2)
    return groups[:, :, :n].sum(axis=2, dtype=np.float32) / np.float32(m)


def split(pattern, matrix):
    """A matrix of elements as [unit rows, unit columns, elements of a unit]."""
    height, width = (1, pattern[2]) if pattern[0] == "group" else pattern[1:]
    rows, columns = matrix.shape
    parts = matrix.reshape(rows // height, height, columns // width, width)
    return parts.transpose(0, 2, 1, 3).reshape(rows // height, columns // width, -1)


# pruning: INC's masks and counts from recorded scores


def is_covered(case, pruner, prune):
    """Whether a prune step is a plain selection: no bound, no lock, no frozen layer, scores recorded."""
    return (
        case["drive"] == "grad"
        and pruner["class"] in ("PytorchBasicPruner", "PytorchProgressivePruner")
        and not pruner["resolved_config"].get("lock_init_sparsity", False)
        and prune["scores"] == "recorded"
        and not prune["adjusts"]
        and not prune["keep_mask_layers_after_get_masks"]
        and case["shared_layers"] == []
    )


def select_inc(implementation, pruner, prune, scores, shapes):
    """Masks of elements in the weights' own shapes, by layer."""
    config = pruner["resolved_config"]
    names = list(scores)
    budgets = [names] if config["pruning_scope"] == "global" else [[name] for name in names]
    masks = {}
    for budget in budgets:
        own = [scores[name] for name in budget]
        if ":" in config["pattern"]:
            n, m = map(int, config["pattern"].split(":"))
            ratio, reduction = prune["target_ratio"], config["criterion_reduce_type"]
            matrices = [as_matrix(score) for score in own]
            chosen = implementation.inc_groups(matrices, n, m, ratio, reduction)
        else:
            blocks = implementation.inc_blocks(own, prune["target_ratio"])
            sizes = [pruner["block_size"][name] for name in budget]
            chosen = [np.kron(mask, np.ones(size, np.uint8)) for mask, size in zip(blocks, sizes)]
        for name, mask in zip(budget, chosen):
            masks[name] = as_weight(mask, shapes[name])
    return masks


def prune_step(implementation, case, tensors, last, event, prune):
    """The first difference of one prune step."""
    pruner, step = case["pruners"][prune["pruner"]], event["step"]
    shapes = {layer["name"]: layer["shape"] for layer in case["layers"]}
    scores = {
        name: tensors[f"score/{step}/{name}"]
        for name in pruner["layers"]
        if f"score/{step}/{name}" in tensors and name not in pruner["invalid_layers"]
    }
    masks = select_inc(implementation, pruner, prune, scores, shapes)
    pruned = total = 0
    for name, mask in masks.items():
        where = f"step {step}, layer {name}"
        expected = last.get(name, np.ones(shapes[name], np.uint8))
        difference = first_difference(f"{where}, mask", expected, mask)
        if difference:
            return difference
        zeros = int(np.sum(mask == 0))
        if zeros != prune["zeros"][name]:
            return f"{where}, mask zeros: expected {prune['zeros'][name]}, got {zeros}"
        pattern = read_pattern(pruner["resolved_config"]["pattern"], shapes[name])
        kept = split(pattern, as_matrix(mask)).sum(axis=2)
        pruned += int(np.sum(kept <= (pattern[1] if pattern[0] == "group" else 0)))
        total += kept.size
    counts = prune["pattern_sparsity"]
    if (pruned, total) != (counts["zero_cnt"], counts["total_cnt"]):
        stated = f"{counts['zero_cnt']} of {counts['total_cnt']}"
        return f"step {step}, pruned blocks: expected {stated}, got {pruned} of {total}"
    return None


def run_pruning(implementation, directory):
    case = json.loads((directory / "case.json").read_text("utf8"))
    tensors = read_safetensors(directory / "tensors.safetensors")
    if "error" in case:
        return "skipped", None
    last, checked = {}, 0
    for event in case["events"]:
        prefix = f"mask/{event['step']}/"
        last.update({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
        for prune in event.get("prune", []):
            if not is_covered(case, case["pruners"][prune["pruner"]], prune):
                continue
            is_group = ":" in case["pruners"][prune["pruner"]]["resolved_config"]["pattern"]
            if not hasattr(implementation, "inc_groups" if is_group else "inc_blocks"):
                continue
            checked += 1
            difference = prune_step(implementation, case, tensors, last, event, prune)
            if difference:
                return "failed", difference
    return ("passed" if checked else "skipped"), None


# pruning_tables: one layer's mask


@functools.lru_cache(maxsize=None)
def read_table(path):
    return json.loads(path.read_text("utf8"))


def run_single_mask(implementation, row):
    if not hasattr(implementation, "inc_blocks"):
        return "skipped", None
    score, expected = (
        np.array(row[key]["data"], dtype).reshape(row[key]["shape"])
        for key, dtype in (("score", np.float32), ("mask", np.uint8))
    )
    (mask,) = implementation.inc_blocks([score], row["ratio"])
    difference = first_difference("mask", expected, mask)
    return ("failed" if difference else "passed"), difference


# strict: exact masks, of which several may be right


def broken_rule(case, pattern_of, scores, canonical, masks):
    """The first rule of the strict profile that masks break, in words."""
    taken, right = {}, {}
    for layer in case["layers"]:
        name = layer["name"]
        pattern, mask = pattern_of[name], masks[name]
        if mask.shape != canonical[name].shape or not np.isin(mask, (0, 1)).all():
            return f"{name}: expected 0 and 1 in shape {list(canonical[name].shape)}"
        parts = split(pattern, as_matrix(mask))
        lost = (parts == 0).sum(axis=2)
        whole = pattern[1] if pattern[0] == "group" else parts.shape[2]
        if not np.isin(lost, (0, whole)).all():
            return f"{name}: expected 0 or {whole} pruned elements in every block"
        if pattern[0] == "group":
            members = split(pattern, scores[name])
            gone = np.sort(np.where(parts == 0, members, np.inf), axis=2)[:, :, :whole]
            least = np.sort(members, axis=2)[:, :, :whole]
            if ((gone != least) & (lost > 0)[:, :, None]).any():
                return f"{name}: expected the {whole} lowest scores of a group to go"
        units = units_of(pattern, scores[name])
        taken[name] = units[lost > 0]
        right[name] = units[(split(pattern, as_matrix(canonical[name])) == 0).any(axis=2)]
        if not layer["fewest"] <= taken[name].size <= layer["most"]:
            return f"{name}: expected {layer['fewest']} to {layer['most']}, got {taken[name].size}"
    for budget in case["budgets"]:
        got = np.sort(np.concatenate([taken[name] for name in budget["layers"]]))
        if got.size != budget["pruned"]:
            return f"budget: expected {budget['pruned']} pruned blocks, got {got.size}"
        want = np.sort(np.concatenate([right[name] for name in budget["layers"]]))
        difference = first_difference("pruned scores in order", want, got)
        if difference:
            return difference
    return None


def select_strict(implementation, case, pattern_of, scores):
    """Masks of elements in the weights' own shapes, by layer."""
    masks, layers = {}, {layer["name"]: layer for layer in case["layers"]}
    for budget in case["budgets"]:
        names = budget["layers"]
        units = [units_of(pattern_of[name], scores[name]) for name in names]
        bounds = [[layers[name][key] for name in names] for key in ("fewest", "most")]
        for name, keep in zip(names, implementation.strict_units(units, budget["pruned"], *bounds)):
            if not np.isin(keep, (0, 1)).all():
                raise ValueError(f"{name}: expected masks of 0 and 1")
            kind, first, second = pattern_of[name]
            if kind == "block":
                matrix = np.kron(keep, np.ones((first, second), np.uint8))
            else:
                groups = split(pattern_of[name], scores[name])
                rank = np.argsort(np.argsort(groups, axis=2, kind="stable"), axis=2, kind="stable")
                matrix = np.where(keep[:, :, None] == 1, 1, rank >= first)
                matrix = matrix.astype(np.uint8).reshape(scores[name].shape)
            masks[name] = as_weight(matrix, layers[name]["shape"])
    return masks


def run_strict(implementation, directory):
    if not hasattr(implementation, "strict_units"):
        return "skipped", None
    case = json.loads((directory / "case.json").read_text("utf8"))
    tensors = read_safetensors(directory / "tensors.safetensors")
    names = [layer["name"] for layer in case["layers"]]
    scores = {name: tensors[f"score/{name}"] for name in names}
    shapes = {layer["name"]: layer["shape"] for layer in case["layers"]}
    pattern_of = {name: read_pattern(case["pattern"], shapes[name]) for name in names}
    if hasattr(implementation, "magnitude"):
        for name in names:
            size = pattern_of[name][1:] if pattern_of[name][0] == "block" else (1, 1)
            got = implementation.magnitude(as_matrix(tensors[f"w/{name}"]), *size)
            difference = first_difference(f"layer {name}, score", scores[name], got)
            if difference:
                return "failed", difference
    canonical = {name: tensors[f"mask/{name}"] for name in names}
    masks = select_strict(implementation, case, pattern_of, scores)
    differences = (first_difference(f"layer {n}, mask", canonical[n], masks[n]) for n in names)
    difference = next(filter(None, differences), None)
    if difference is None:
        # The plain implementation keeps every rule; a vector whose mask breaks one is wrong.
        broken = broken_rule(case, pattern_of, scores, canonical, canonical)
        return ("failed" if broken else "passed"), broken
    broken = broken_rule(case, pattern_of, scores, canonical, masks)
    if broken or case["result"] != "acceptable":
        return "failed", f"{difference} ({broken or 'one mask alone is right'})"
    return "acceptable", difference


def run(implementation, entry):
    """The status of one vector of the manifest, and its first difference."""
    family, slug = entry["family"], entry["slug"]
    if family == "pruning":
        return run_pruning(implementation, ROOT / family / slug)
    if family == "strict":
        return run_strict(implementation, ROOT / family / slug)
    row = re.fullmatch(r"pattern_units/single_mask\[(\d+)\]", slug)
    if row is None:
        return "skipped", None
    table = read_table(ROOT / family / "pattern_units.json")
    return run_single_mask(implementation, table["single_mask"][int(row[1])])


def refuse(what, expected, got):
    """Ends the run with one line: nothing was judged, which is neither success nor failure."""
    print(f"{what}: expected {expected}, got {' '.join(str(got).split())}", file=sys.stderr)
    sys.exit(2)


def load(path):
    """The module in a file, which has at least one of the functions of class Plain."""
    option, expected = "--implementation", "a Python file"
    if not Path(path).is_file():
        refuse(option, expected, f"{path} ({'a directory' if Path(path).is_dir() else 'none'})")
    spec = importlib.util.spec_from_file_location("implementation", path)
    if spec is None:
        refuse(option, f"{expected}, named *.py", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the file does must not look like a result
        refuse(option, f"{expected} that can be loaded", f"{type(error).__name__}: {error}")
    names = [name for name in vars(Plain) if not name.startswith("_")]
    if not any(callable(getattr(module, name, None)) for name in names):
        refuse(option, f"a function {', '.join(names[:-1])} or {names[-1]}", f"none in {path}")
    return module


def read_vectors():
    """What the manifest lists; its format must be one that this runner knows."""
    what = "manifest.json"
    try:
        manifest = json.loads((ROOT / what).read_text("utf8"))
    except FileNotFoundError:
        refuse(what, "a file", f"none in {ROOT}")
    except (OSError, ValueError) as error:
        refuse(what, "JSON", error)
    stated = manifest if isinstance(manifest, dict) else {}
    form, version = (str(stated.get(key, f"no {key}")) for key in ("format", "version"))
    if form != FORMAT or version.split(".")[0] != str(MAJOR):
        refuse(what, f"{FORMAT} {MAJOR}", f"{form} {version}")
    vectors = stated.get("vectors")
    if not isinstance(vectors, list) or not vectors:
        refuse(what, "a list of vectors", "none")
    for i, entry in enumerate(vectors):
        keys = ("family", "slug")
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) for key in keys):
            refuse(f"{what} vectors[{i}]", "a family and a slug", json.dumps(entry))
    return vectors


def select(vectors, only):
    """The vectors in whose family/slug the expression is found."""
    try:
        wanted = re.compile(only)
    except re.error as error:
        refuse("--only", "a regular expression", f"{only} ({error})")
    found = [entry for entry in vectors if wanted.search(f"{entry['family']}/{entry['slug']}")]
    if not found:
        refuse("--only", "to find a vector", f"{only}, found in none")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="vectors in whose family/slug this is found")
    parser.add_argument("--implementation", help="a Python file with functions as in class Plain")
    options = parser.parse_args()
    vectors = select(read_vectors(), options.only)
    implementation = Plain if options.implementation is None else load(options.implementation)
    counts = dict.fromkeys(("passed", "acceptable", "failed", "skipped"), 0)
    for entry in vectors:
        try:
            status, difference = run(implementation, entry)
        except Exception as error:  # one broken vector must not end the run
            status, difference = "failed", f"{type(error).__name__}: {error}"
        counts[status] += 1
        if status == "failed":
            print(f"FAIL {entry['family']} {entry['slug']}: {difference}")
    if counts["skipped"] == len(vectors):
        # A run that compared nothing must not read as one that found nothing wrong.
        option = "--only" if options.only else "--implementation"
        refuse(option, "a vector to judge", "none: all were skipped")
    print(", ".join(f"{count} {status}" for status, count in counts.items()))
    sys.exit(1 if counts["failed"] else 0)


if __name__ == "__main__":
    main()
