"""Checks in transformers what `espalier shrink` wrote.

  python check-shrink.py BEFORE AFTER TEXTS [--columns NAME,NAME] [--report FILE] [--rows N]

BEFORE and AFTER are the directories. TEXTS has a text on each line, or with --columns fields between tabs below a header,
without quoting. The tokens of each row are compared, with the fast tokenizers and with the slow ones. Of the first N rows
with the same tokens (default 200), logits must differ by at most 1e-5. --report is the output of `espalier shrink --json`
with TEXTS among its files; its numbers of rows, tokens and unknown tokens must be those of transformers. If config.json
has the width of each layer, which only Espalier reads, transformers must refuse the weights instead. The loaded layers must
lack the heads that config.json lists. Exits with 1 if something differs. Needs torch and transformers.
"""

import argparse
import json
import sys

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

TOLERANCE = 1e-5
BATCH = 16


def read_texts(path, columns):
    with open(path, encoding="utf-8-sig", newline="\n") as file:
        lines = [line.rstrip("\r\n") for line in file]
    if columns is None:
        return [(line,) for line in lines]
    header = lines[0].split("\t")
    indices = [header.index(name) for name in columns.split(",")]
    return [tuple(line.split("\t")[index] for index in indices) for line in lines[1:]]


def load_tokenizers(directory):
    """Returns the fast tokenizer, and the slow one if its files are there."""
    found = {}
    for kind in ("fast", "slow"):
        try:
            found[kind] = AutoTokenizer.from_pretrained(directory, use_fast=kind == "fast")
        except (OSError, TypeError, ValueError):
            continue
        if found[kind].is_fast != (kind == "fast"):
            del found[kind]
    return found


def tokens_of(tokenizer, texts):
    return [tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


def unknown_of(tokenizer):
    """Returns the token of unknown words. Byte-level BPE has none, although texts may contain the text of one."""
    return tokenizer.backend_tokenizer.model.unk_token if tokenizer.is_fast else tokenizer.unk_token


def compare_tokens(before, after, rows):
    """Returns for each row whether its tokens are the same, and the counts."""
    counts = {"rows": len(rows), "sameRows": 0, "tokens": 0, "unknownBefore": 0, "unknownAfter": 0}
    same = []
    for texts in rows:
        old, new = tokens_of(before, texts), tokens_of(after, texts)
        same.append(old == new)
        counts["sameRows"] += old == new
        counts["tokens"] += sum(map(len, old))
        counts["unknownBefore"] += sum(tokens.count(unknown_of(before)) for tokens in old)
        counts["unknownAfter"] += sum(tokens.count(unknown_of(after)) for tokens in new)
    return same, counts


def compute_logits(directory, tokenizer, rows, longest):
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    parts = []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        inputs = tokenizer(
            *(list(column) for column in zip(*batch)), padding=True, truncation=True, max_length=longest, return_tensors="pt"
        )
        with torch.no_grad():
            parts.append(model(**inputs).logits)
    return torch.cat(parts)


def heads_of(model):
    """Returns the number of heads in each layer."""
    found = [getattr(module, "num_attention_heads", getattr(module, "n_heads", None)) for module in model.modules()]
    return [heads for heads in found if isinstance(heads, int)]


def check_heads(directory):
    """Returns the problems of pruned heads, or of a model that transformers must refuse."""
    config = AutoConfig.from_pretrained(directory)
    widths = getattr(config, "espalier", {}).get("intermediate_sizes")
    try:
        model = AutoModelForSequenceClassification.from_pretrained(directory)
    except RuntimeError as error:
        if widths and "size mismatch" in str(error):
            print(f"widths {widths}: refused by transformers")
            return True, []
        raise
    if widths:
        return True, [f"widths {widths}: not refused"]
    pruned = config.pruned_heads
    expected = [config.num_attention_heads - len(pruned.get(layer, [])) for layer in range(config.num_hidden_layers)]
    print(f"heads {expected}")
    found = heads_of(model)
    return False, [] if found == expected else [f"heads: {expected} in config.json, {found} in transformers"]


def main():
    parser = argparse.ArgumentParser()
    for name in ("before", "after", "texts"):
        parser.add_argument(name)
    parser.add_argument("--columns")
    parser.add_argument("--report")
    parser.add_argument("--rows", type=int, default=200)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = read_texts(arguments.texts, arguments.columns)
    tokenizers = load_tokenizers(arguments.before), load_tokenizers(arguments.after)
    problems = []
    if tokenizers[0].keys() != tokenizers[1].keys():
        problems.append(f"tokenizers: {list(tokenizers[0])} before, {list(tokenizers[1])} after")
    results = {kind: compare_tokens(own, tokenizers[1][kind], rows) for kind, own in tokenizers[0].items()}
    for kind, (_, counts) in results.items():
        print(kind, json.dumps(counts))
    kind = next(iter(results))
    same, counts = results[kind]
    if arguments.report:
        with open(arguments.report) as file:
            report = json.load(file)
        stated = next(one for one in report["checks"] + report["vocabularyFiles"] if one["path"] == arguments.texts)
        for key, count in counts.items():
            if stated[key] != count:
                problems.append(f"{key}: {stated[key]} in the report, {count} in transformers")
    is_refused, more = check_heads(arguments.after)
    problems += more
    if not is_refused:
        problems += compare_logits(arguments, tokenizers, kind, rows, same)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def compare_logits(arguments, tokenizers, kind, rows, same):
    """Returns the problem of logits that differ, if any."""
    kept = [row for row, is_same in zip(rows, same) if is_same][: arguments.rows]
    config = AutoConfig.from_pretrained(arguments.before)
    longest = getattr(config, "espalier_max_length", None) or 128
    old, new = (
        compute_logits(directory, own[kind], kept, longest)
        for directory, own in ((arguments.before, tokenizers[0]), (arguments.after, tokenizers[1]))
    )
    difference = (old - new).abs().max().item()
    print(f"logits of {len(kept)} rows: largest difference {difference:.3g}")
    if difference > TOLERANCE:
        return [f"logits differ by {difference}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
