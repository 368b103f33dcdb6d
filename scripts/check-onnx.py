"""Checks that onnxruntime computes the logits of transformers from exported models.

  python check-onnx.py TOKENIZERS OUT [MODEL ...]

Makes small random classifiers of every architecture and activation with transformers, exports them and each MODEL with
`node dist/cli.js export` to OUT, checks the files with onnx.checker, and compares logits for single texts, padded
batches and one token. Zeros of weights must be zeros of the file. TOKENIZERS has a directory for each tokenizer of
KINDS. Build first. Needs onnx, onnxruntime, torch and transformers. Exits with 1 if a float32 logit differs by more than
1e-5. For int8, with and without --calibrate, prints the largest difference.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import onnx.numpy_helper
import onnxruntime
import torch
import transformers

TOLERANCE = 1e-5
POSITIONS = 40
SIZES = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64)
DISTILBERT_SIZES = dict(dim=32, n_layers=2, n_heads=4, hidden_dim=64)

# name: (tokenizer, configuration class, settings)
KINDS = {
    "bert": ("wordpiece-cased", transformers.BertConfig, SIZES),
    "bert-gelu-new": ("wordpiece-cased", transformers.BertConfig, dict(SIZES, hidden_act="gelu_new")),
    "bert-relu": ("wordpiece-cased", transformers.BertConfig, dict(SIZES, hidden_act="relu")),
    "bert-silu": ("wordpiece-cased", transformers.BertConfig, dict(SIZES, hidden_act="silu")),
    "bert-regression": (
        "wordpiece-cased",
        transformers.BertConfig,
        dict(SIZES, num_labels=1, problem_type="regression"),
    ),
    "distilbert": (
        "wordpiece-cased-strip",
        transformers.DistilBertConfig,
        dict(DISTILBERT_SIZES, num_labels=4, problem_type="multi_label_classification"),
    ),
    "distilbert-sinusoidal": (
        "wordpiece-cased-strip",
        transformers.DistilBertConfig,
        dict(DISTILBERT_SIZES, sinusoidal_pos_embds=True),
    ),
    "roberta": (
        "bpe-roberta",
        transformers.RobertaConfig,
        dict(SIZES, type_vocab_size=1, layer_norm_eps=1e-5, num_labels=3),
    ),
    "xlm-roberta": ("unigram-xlmr", transformers.XLMRobertaConfig, dict(SIZES, type_vocab_size=1)),
    "camembert": ("unigram-xlmr", transformers.CamembertConfig, dict(SIZES, type_vocab_size=1)),
    "electra": (
        "wordpiece-cased",
        transformers.ElectraConfig,
        dict(SIZES, embedding_size=16, hidden_act="gelu_new"),
    ),
}

WORDS = "the of company said shares profit fell rose Monday Université naïve 10 per cent , . market".split()


def make_model(directory, kind, tokenizers):
    name, config_class, settings = KINDS[kind]
    tokenizer = transformers.AutoTokenizer.from_pretrained(tokenizers / name)
    padding = tokenizer.pad_token_id
    config = config_class(
        vocab_size=len(tokenizer),
        pad_token_id=padding,
        max_position_embeddings=POSITIONS + (padding + 1 if tokenizer.pad_token != "[PAD]" else 0),
        **{"initializer_range": 0.2, **settings},
    )
    torch.manual_seed(1)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name or "LayerNorm" in name:
                parameter.add_(torch.randn_like(parameter) * 0.1)
            if "embeddings" not in name and parameter.ndim == 2:
                parameter.mul_(torch.rand(parameter.shape[0] // 4 + 1, parameter.shape[1]).lt(0.3)
                               .repeat_interleave(4, 0)[: parameter.shape[0]])
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)


def make_batches(directory, length):
    """Padded batches of pairs and texts, single texts, and a single token."""
    draw = random.Random(3)
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)

    def text():
        return " ".join(draw.choices(WORDS, k=draw.randint(1, 40)))

    options = dict(truncation=True, max_length=length, padding=True, return_tensors="pt")
    batches = [tokenizer([text() for _ in range(16)], [text() for _ in range(16)], **options)]
    batches.append(tokenizer([text() for _ in range(7)], **options))
    batches += [tokenizer([text()], **options) for _ in range(8)]
    batches.append(tokenizer([text() for _ in range(3)], **dict(options, padding="max_length")))
    batches.append({name: ids[:1, :1] for name, ids in batches[0].items()})
    return batches


def make_rows(path):
    """Writes pairs of texts for calibration."""
    draw = random.Random(4)
    rows = [[" ".join(draw.choices(WORDS, k=draw.randint(1, 40))) for _ in range(2)] for _ in range(128)]
    lines = [json.dumps({"sentence1": text, "sentence2": pair}) for text, pair in rows]
    path.write_text("\n".join(lines) + "\n")


def export(root, directory, path, options):
    path.unlink(missing_ok=True)
    command = ["node", str(root / "dist" / "cli.js"), "export", str(directory)]
    subprocess.run(
        [*command, "--out", str(path), *options],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def count_zeros(path, model):
    """Returns the zeros of the weights of linear layers in the model, and those that are zeros in the file."""
    tensors = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    expected = kept = 0
    for name, parameter in model.named_parameters():
        if parameter.ndim != 2 or "embeddings." in name:
            continue
        stored = tensors.get(name) or tensors[f"{name}_quantized"]
        zeros = parameter.detach().numpy().T == 0
        expected += zeros.sum()
        kept += (zeros & (onnx.numpy_helper.to_array(stored) == 0)).sum()
    return expected, kept


def check(name, directory, out, root):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory).eval()
    config = model.config
    length = min(128, POSITIONS if name in KINDS else config.max_position_embeddings)
    batches = make_batches(directory, length)
    accepted = True
    rows = out / "rows.jsonl"
    make_rows(rows)
    for precision, options in (
        ("float32", []),
        ("int8", ["--precision", "int8"]),
        ("calibrated", ["--precision", "int8", "--calibrate", str(rows)]),
    ):
        path = out / f"{name}-{precision}.onnx"
        session = export(root, directory, path, options)
        names = [value.name for value in session.get_inputs()]
        difference = size = 0
        for batch in batches:
            if config.model_type == "distilbert":
                batch = {key: ids for key, ids in batch.items() if key != "token_type_ids"}
            with torch.no_grad():
                expected = model(**batch).logits.numpy()
            (found,) = session.run(["logits"], {key: batch[key].numpy() for key in names})
            assert found.shape == expected.shape
            difference = max(difference, numpy.abs(found - expected).max())
            size = max(size, numpy.abs(expected).max())
        zeros, kept = count_zeros(path, model)
        accepted &= zeros == kept and (precision != "float32" or difference <= TOLERANCE)
        print(
            f"{name} {precision}: {path.stat().st_size} bytes, {kept} of {zeros} zeros,"
            f" logits up to {size:.2f} differ by {difference:.1e}",
            flush=True,
        )
    return accepted


def main(tokenizers, out, *models):
    root = Path(__file__).resolve().parent.parent
    out = Path(out).resolve()
    directories = {f"{Path(model).parent.name}-{Path(model).name}": Path(model) for model in models}
    for kind in KINDS:
        directories[kind] = out / kind
        make_model(out / kind, kind, Path(tokenizers))
    results = [check(name, directory, out, root) for name, directory in directories.items()]
    sys.exit(0 if all(results) else 1)


main(*sys.argv[1:])
