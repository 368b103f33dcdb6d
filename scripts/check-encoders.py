"""Checks that encoders made by transformers are fine-tuned, pruned and saved such that transformers computes the same.

  python check-encoders.py TOKENIZERS OUT [KIND ...]

TOKENIZERS has a directory for each tokenizer of KINDS. For each kind, this script makes a small random base model with
transformers, fine-tunes and prunes it with `node dist/cli.js finetune` in OUT, loads the saved directories with
transformers, and compares the logits of the rows with those of `espalier/node`, and their labels and probabilities with
the lines of `node dist/cli.js predict`. Build first. Needs torch and transformers. Exits with 1 if a value differs by
more than 1e-5, or a label by which a probability is not within 1e-5 of the limit.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import torch
import transformers

TOLERANCE = 1e-5
ROWS, POSITIONS = 240, 40
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)

PROBLEMS = {
    "classes": "single_label_classification",
    "labels": "multi_label_classification",
    "value": "regression",
}

# kind: (tokenizer, base class, configuration class, settings, kind of labels)
KINDS = {
    "roberta": (
        "bpe-roberta",
        transformers.RobertaModel,
        transformers.RobertaConfig,
        dict(SIZES, type_vocab_size=1, layer_norm_eps=1e-5),
        "classes",
    ),
    "electra": (
        "wordpiece-cased",
        transformers.ElectraForPreTraining,
        transformers.ElectraConfig,
        dict(SIZES, embedding_size=16, hidden_act="gelu_new"),
        "value",
    ),
    "distilbert": (
        "wordpiece-cased-strip",
        transformers.DistilBertForMaskedLM,
        transformers.DistilBertConfig,
        dict(dim=32, n_layers=2, n_heads=4, hidden_dim=64, sinusoidal_pos_embds=True),
        "labels",
    ),
    "xlm-roberta": (
        "unigram-xlmr",
        transformers.XLMRobertaForMaskedLM,
        transformers.XLMRobertaConfig,
        dict(SIZES, type_vocab_size=1),
        "classes",
    ),
}

WORDS = "the of company said shares profit fell rose Monday Université naïve 10 per cent , . market".split()

# Prints the logits of a model for rows of texts, as JSON.
LOGITS = """
import { readFileSync } from "node:fs";
const [entry, nn, io, directory, rows] = process.argv.slice(1);
const { loadSparseClassifier } = await import(entry);
const { createBackend, padExamples } = await import(nn);
const { encode } = await import(io);
const { classifier, tokenizer } = await loadSparseClassifier(directory, createBackend(), {});
const { padTokenId, maxPositions } = classifier.config;
const examples = JSON.parse(readFileSync(rows, "utf8")).map(([a, b]) =>
  ({ ...encode(tokenizer, a, b, Math.min(maxPositions, LENGTH)), label: 0 }));
const { labels, ...batch } = padExamples(examples, padTokenId);
console.log(JSON.stringify([...classifier.logits(batch)]));
"""


def make_model(directory, kind, tokenizers):
    name, base, config_class, settings, _ = KINDS[kind]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizers / name)
    padding = tokenizer.pad_token_id
    config = config_class(
        vocab_size=len(tokenizer),
        pad_token_id=padding,
        max_position_embeddings=POSITIONS + (padding + 1 if "roberta" in kind else 0),
        # With transformers' 0.02, small models give all rows almost the same logits.
        initializer_range=0.2,
        **settings,
    )
    torch.manual_seed(1)
    base(config).save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def make_rows(path, labels):
    draw = random.Random(3)
    rows = []
    for _ in range(ROWS):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(2, 30))) for _ in range(2)]
        rose = sum(text.split().count("rose") for text in texts)
        fell = sum(text.split().count("fell") for text in texts)
        label = {
            "classes": "up" if rose > fell else "down",
            "value": (rose - fell) / 4,
            "labels": [name for name, count in (("rose", rose), ("fell", fell)) if count],
        }[labels]
        rows.append({"sentence1": texts[0], "sentence2": texts[1], "label": label})
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return [[row["sentence1"], row["sentence2"]] for row in rows]


def outputs_of(logits, problem):
    """Returns what `predict` prints as numbers: probabilities, or values."""
    if problem == "single_label_classification":
        return logits.softmax(-1)
    return logits.sigmoid() if problem == "multi_label_classification" else logits


def predict(directory, out, root):
    """Returns the lines of `predict` for the rows."""
    lines = out / f"{directory.name}.jsonl"
    command = ["node", str(root / "dist" / "cli.js"), "predict", str(directory)]
    command += ["--data", str(out / "rows.jsonl"), "--out", str(lines)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in lines.read_text().splitlines()]


def numbers_of(line, names):
    return [line["probabilities"][name] for name in names] if "probabilities" in line else [line["value"]]


def labels_differ(line, outputs, names, problem):
    """Whether a line's labels are others than those of transformers, none of which is undecided."""
    if problem == "regression":
        return False
    if problem == "single_label_classification":
        first, second = outputs.topk(2).values
        return line["label"] != names[outputs.argmax()] and first - second > TOLERANCE
    undecided = ((outputs - 0.5).abs() <= TOLERANCE).any()
    expected = [name for name, p in zip(names, outputs) if p >= 0.5]
    return sorted(line["labels"]) != sorted(expected) and not undecided


def predictions_differ(directory, logits, names, problem, out, root):
    """Returns the largest difference of a number that `predict` prints, and how many rows have other labels."""
    lines = predict(directory, out, root)
    expected = outputs_of(logits, problem)
    own = torch.tensor([numbers_of(line, names) for line in lines])
    wrong = sum(labels_differ(*row, names, problem) for row in zip(lines, expected))
    return (own - expected).abs().max().item(), wrong


def transformers_logits(directory, texts):
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory, output_loading_info=True
    )
    wrong = {key: names for key, names in info.items() if names}
    assert not wrong, wrong
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    inputs = tokenizer(
        [text for text, _ in texts],
        [pair for _, pair in texts],
        truncation="longest_first",
        max_length=POSITIONS,
        padding=True,
        return_tensors="pt",
    )
    if model.config.model_type == "distilbert":
        inputs.pop("token_type_ids", None)
    zeros = sum((p == 0).sum().item() for n, p in model.named_parameters() if ".layer." in n)
    with torch.no_grad():
        names = [model.config.id2label[i] for i in range(model.config.num_labels)]
        return model.eval()(**inputs).logits, zeros, names


def own_logits(directory, texts, root, out):
    rows = out / "texts.json"
    rows.write_text(json.dumps(texts))
    entries = [str(root / "dist" / name) for name in ("node.js", "nn.js", "io.js")]
    code = LOGITS.replace("LENGTH", str(POSITIONS))
    command = ["node", "--input-type=module", "-e", code, "--", *entries, str(directory), str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return torch.tensor(json.loads(done.stdout))


def check(kind, tokenizers, out, root):
    out.mkdir(parents=True, exist_ok=True)
    make_model(out / "base", kind, tokenizers)
    texts = make_rows(out / "rows.jsonl", KINDS[kind][4])
    command = ["node", str(root / "dist" / "cli.js"), "finetune"]
    command += ["--model", str(out / "base"), "--train-file", str(out / "rows.jsonl")]
    command += ["--out", str(out / "run"), "--max-seq-length", str(POSITIONS)]
    command += ["--problem-type", PROBLEMS[KINDS[kind][4]]]
    command += ["--dense-num-train-epochs", "4", "--dense-learning-rate", "1e-3"]
    command += ["--num-train-epochs", "4", "--learning-rate", "1e-3"]
    done = subprocess.run(command, capture_output=True, text=True)
    print("\n".join(line for line in done.stderr.splitlines() if "base:" in line))
    if done.returncode != 0:
        sys.exit(f"{kind}: finetune failed\n{done.stderr[-2000:]}")
    differences = []
    for phase in ("dense", "sparse"):
        directory = out / "run" / phase
        expected, zeros, names = transformers_logits(directory, texts)
        own = own_logits(directory, texts, root, out).reshape(expected.shape)
        difference = (own - expected).abs().max().item()
        spread = (expected.max(0).values - expected.min(0).values).min().item()
        print(f"{kind} {phase}: {zeros} zeros, logits spread over {spread:.2f} differ by {difference:.1e}")
        problem = PROBLEMS[KINDS[kind][4]]
        predicted, wrong = predictions_differ(directory, expected, names, problem, out, root)
        print(f"{kind} {phase}: {len(texts)} rows of predict differ by {predicted:.1e}, {wrong} in labels")
        differences += [difference, predicted, wrong]
    return max(differences) <= TOLERANCE


def main(tokenizers, out, *kinds):
    root = Path(__file__).resolve().parent.parent
    results = [check(k, Path(tokenizers), Path(out).resolve() / k, root) for k in kinds or KINDS]
    sys.exit(0 if all(results) else 1)


main(*sys.argv[1:])
