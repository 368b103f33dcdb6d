"""Compares the predictions of `espalier predict` with those of transformers for the same rows.

  python check-classifiers.py MODEL ROWS PREDICTIONS [--text-column NAME] [--text-pair-column NAME]
                              [--label-separator CHAR] [--threshold NUMBER]

MODEL is a directory that transformers loads, not packed. ROWS is CSV, TSV, JSON Lines or lines of text, PREDICTIONS is
CSV or JSON Lines, each optionally compressed. Columns that are not given are those in the model's config.json, or else
sentence1 and sentence2, or text. A row agrees if its labels are the same, and if its probabilities or its value differ
by at most 1e-4. Needs torch and transformers. Exits with 1 if a row does not agree.
"""

import argparse
import csv
import gzip
import json
import sys

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

TOLERANCE = 1e-4
BATCH = 32


def open_text(path):
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    opener = gzip.open if is_gzip else open
    return opener(path, "rt", encoding="utf-8-sig", newline="")


def read_records(path):
    """Returns a list of dictionaries, or of lists of texts for lines of text."""
    name = path.removesuffix(".gz").lower()
    with open_text(path) as file:
        if name.endswith((".csv", ".tsv")):
            csv.field_size_limit(2**31 - 1)
            return list(csv.DictReader(file, delimiter="\t" if name.endswith(".tsv") else ","))
        if name.endswith((".json", ".jsonl")):
            return read_json(file.read())
        return [line.rstrip("\r\n").split("\t") for line in file]


def read_json(text):
    if text.lstrip().startswith("["):
        return json.loads(text)
    try:
        document = json.loads(text)
        return document["data"] if isinstance(document.get("data"), list) else [document]
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def read_texts(records, config, arguments):
    if records and isinstance(records[0], list):
        return [tuple(texts) for texts in records]
    stored = getattr(config, "espalier_rows", None) or {}
    first, second = arguments.text_column, arguments.text_pair_column
    if first is None:
        first, second = stored.get("text_column"), second or stored.get("text_pair_column")
    if first is None and "sentence1" in records[0]:
        first, second = "sentence1", second or ("sentence2" if "sentence2" in records[0] else None)
    first = first or "text"
    return [(row[first],) if second is None else (row[first], row[second]) for row in records]


def longest_input(config):
    """RoBERTa and its kinds do not use the rows of the position table up to that of padding."""
    reserves = config.model_type in ("roberta", "xlm-roberta", "camembert")
    reserved = config.pad_token_id + 1 if reserves else 0
    return config.max_position_embeddings - reserved


def compute_logits(directory, model, texts):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    longest = min(tokenizer.model_max_length, longest_input(model.config))
    parts = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        # Rows of one text and pairs may be mixed, so they are encoded one by one.
        encoded = [
            tokenizer(*row, truncation="longest_first", max_length=longest) for row in batch
        ]
        inputs = tokenizer.pad(encoded, return_tensors="pt")
        if model.config.model_type == "distilbert":
            inputs.pop("token_type_ids", None)
        with torch.no_grad():
            parts.append(model(**inputs).logits.double())
    return torch.cat(parts)


def probabilities_of(record, names):
    if "probabilities" in record:
        return [record["probabilities"][name] for name in names]
    return [float(record[f"probability_{name}"]) for name in names]


def labels_of(record, separator):
    labels = record["labels"]
    if isinstance(labels, list):
        return labels
    if separator is None:
        return json.loads(labels)
    return [label for label in labels.split(separator) if label]


def compare(record, logits, kind, names, arguments):
    """Returns whether a row agrees, and the largest difference of its numbers."""
    if kind == "regression":
        values = record.get("values")
        got = [record["value"]] if "value" in record else [(values or record)[n] for n in names]
        difference = max(abs(float(a) - b) for a, b in zip(got, logits.tolist(), strict=True))
        return difference <= TOLERANCE * max(1.0, logits.abs().max().item()), difference
    multi = kind == "multi_label_classification"
    expected = torch.sigmoid(logits) if multi else torch.softmax(logits, 0)
    got = probabilities_of(record, names)
    difference = max(abs(a - b) for a, b in zip(got, expected.tolist(), strict=True))
    if multi:
        margin = (expected - arguments.threshold).abs().min().item()
        wanted = [n for n, p in zip(names, expected.tolist()) if p > arguments.threshold]
        same = labels_of(record, arguments.label_separator) == wanted
    else:
        top = torch.topk(expected, 2).values
        margin = (top[0] - top[1]).item()
        same = record["label"] == names[int(expected.argmax())]
    # Rounding may decide between probabilities that are as good as equal.
    return difference <= TOLERANCE and (same or margin <= 1e-5), difference


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("model", "rows", "predictions"):
        parser.add_argument(name)
    for name in ("--text-column", "--text-pair-column", "--label-separator"):
        parser.add_argument(name)
    parser.add_argument("--threshold", type=float, default=0.5)
    arguments = parser.parse_args()
    model = AutoModelForSequenceClassification.from_pretrained(arguments.model).eval()
    config = model.config
    kind = config.problem_type or (
        "regression" if config.num_labels == 1 else "single_label_classification"
    )
    names = [config.id2label[i] for i in range(config.num_labels)]
    predictions = read_records(arguments.predictions)
    texts = read_texts(read_records(arguments.rows), config, arguments)
    if len(predictions) != len(texts):
        sys.exit(f"{arguments.predictions}: expected {len(texts)} rows, got {len(predictions)}")
    logits = compute_logits(arguments.model, model, texts)
    largest, wrong = 0.0, []
    for row, (record, own) in enumerate(zip(predictions, logits)):
        agrees, difference = compare(record, own, kind, names, arguments)
        largest = max(largest, difference)
        if not agrees:
            wrong.append(row + 1)
    print(f"{kind}: {len(texts) - len(wrong)} of {len(texts)} rows agree", end="")
    print(f", largest difference {largest:.1e}")
    if wrong:
        sys.exit(f"rows that do not agree: {', '.join(map(str, wrong[:20]))}")


main()
