"""Fine-tunes and prunes with PyTorch and Intel Neural Compressor, to compare with `espalier finetune --task mrpc`.

  python inc-finetuning.py MODEL DATA OUT [--pattern 4x1] [--target 0.9] [--seed 42] [--dense OUT/dense]

MODEL is a directory of transformers, DATA has train.tsv and dev.tsv of GLUE's MRPC. A dense phase is followed by a
sparse phase with the dense model as teacher, as in INC's text-classification example: dynamic padding, batches of 16,
snip_momentum, the pooler excluded, a constant learning rate while pruning. AdamW is that of PyTorch. Runs on one
thread, and prints metrics and processor seconds. Needs torch, transformers, scikit-learn and neural-compressor 3.7.1.
"""

import argparse
import math
import time

import numpy
import torch
from neural_compressor import WeightPruningConfig
from neural_compressor.training import prepare_compression
from sklearn.metrics import accuracy_score, f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_scheduler

BATCH, LENGTH = 16, 128
DISTILLATION_WEIGHT = 5.0
# Epochs of the sparse phase before the first and after the last prune step, and the number of prune steps.
WARM, COOLDOWN, PRUNE_STEPS = 1, 2, 40


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("model", "data", "out"):
        parser.add_argument(name)
    parser.add_argument("--pattern", default="4x1")
    parser.add_argument("--target", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--dense", help="a directory with a dense model, instead of a dense phase")
    parser.add_argument("--dense-epochs", type=int, default=4)
    parser.add_argument("--sparse-epochs", type=int, default=8)
    parser.add_argument("--dense-learning-rate", type=float, default=5e-5)
    parser.add_argument("--sparse-learning-rate", type=float, default=2e-4)
    return parser.parse_args()


class Run:
    def __init__(self, args):
        self.args = args
        self.tokenizer = AutoTokenizer.from_pretrained(args.model)
        self.training = self.rows("train.tsv")
        self.validation = self.rows("dev.tsv")
        self.steps = math.ceil(len(self.training) / BATCH)

    def rows(self, name):
        with open(f"{self.args.data}/{name}", encoding="utf-8-sig") as file:
            lines = [line.rstrip("\n").split("\t") for line in file][1:]
        encoded = [self.tokenizer(a, b, max_length=LENGTH, truncation=True) for _, _, _, a, b in lines]
        return [dict(row, labels=int(line[0])) for row, line in zip(encoded, lines)]

    def batch(self, rows):
        return self.tokenizer.pad(rows, padding=True, return_tensors="pt")

    def evaluate(self, model):
        model.eval()
        predicted = []
        with torch.no_grad():
            for first in range(0, len(self.validation), BATCH):
                logits = model(**self.batch(self.validation[first : first + BATCH])).logits
                predicted += logits.argmax(-1).tolist()
        model.train()
        labels = [row["labels"] for row in self.validation]
        return f1_score(labels, predicted), accuracy_score(labels, predicted)

    def optimizer(self, model, rate, betas, decay):
        def is_decayed(name):
            return not name.endswith("bias") and "LayerNorm" not in name

        named = list(model.named_parameters())
        groups = [
            {"params": [p for n, p in named if is_decayed(n)], "weight_decay": decay},
            {"params": [p for n, p in named if not is_decayed(n)], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=rate, betas=betas, eps=1e-6)

    def train(self, name, model, epochs, optimizer, schedule, loss_of, callbacks=None):
        scheduler = get_scheduler(schedule, optimizer, 0, epochs * self.steps)
        order = torch.Generator().manual_seed(self.args.seed)
        began = time.process_time()
        model.train()
        for epoch in range(epochs):
            rows = torch.randperm(len(self.training), generator=order).tolist()
            for step in range(self.steps):
                batch = self.batch([self.training[i] for i in rows[BATCH * step : BATCH * (step + 1)]])
                if callbacks:
                    callbacks.on_step_begin(epoch * self.steps + step)
                loss_of(model, batch).backward()
                if callbacks:
                    callbacks.on_before_optimizer_step()
                optimizer.step()
                if callbacks:
                    callbacks.on_after_optimizer_step()
                scheduler.step()
                optimizer.zero_grad()
                if callbacks:
                    callbacks.on_step_end()
            f1, accuracy = self.evaluate(model)
            seconds = time.process_time() - began
            print(f"{name} epoch {epoch + 1}/{epochs} F1 {f1:.4f} accuracy {accuracy:.4f} {seconds:.0f} s", flush=True)

    def dense(self):
        args = self.args
        model = AutoModelForSequenceClassification.from_pretrained(args.model, num_labels=2)
        optimizer = self.optimizer(model, args.dense_learning_rate, (0.9, 0.999), 5e-5)
        self.train("dense", model, args.dense_epochs, optimizer, "linear", lambda m, b: m(**b).loss)
        model.save_pretrained(f"{args.out}/dense")
        self.tokenizer.save_pretrained(f"{args.out}/dense")
        return f"{args.out}/dense"

    def sparse(self, dense):
        args, steps = self.args, self.steps
        model = AutoModelForSequenceClassification.from_pretrained(dense)
        teacher = AutoModelForSequenceClassification.from_pretrained(dense).eval()
        last = (args.sparse_epochs - COOLDOWN) * steps
        pruner = {
            "pruning_type": "snip_momentum",
            "pruning_scope": "global",
            "sparsity_decay_type": "exp",
            "excluded_op_names": ["pooler"],
            "pruning_op_types": ["Linear"],
            "max_sparsity_ratio_per_op": 0.98,
        }
        config = WeightPruningConfig(
            [pruner],
            target_sparsity=args.target,
            pattern=args.pattern,
            pruning_frequency=max(1, (last - WARM * steps + 1) // PRUNE_STEPS),
            start_step=WARM * steps,
            end_step=last,
        )
        manager = prepare_compression(model=model, confs=config)
        manager.callbacks.on_train_begin()

        def loss_of(student, batch):
            with torch.no_grad():
                expected = teacher(**batch, output_hidden_states=True).hidden_states[-1]
            hidden = student(**batch, output_hidden_states=True).hidden_states[-1]
            return DISTILLATION_WEIGHT * torch.nn.functional.mse_loss(hidden, expected)

        optimizer = self.optimizer(model, args.sparse_learning_rate, (0.9, 0.9), 1e-3)
        name = f"sparse {args.pattern}"
        self.train(name, manager.model, args.sparse_epochs, optimizer, "constant", loss_of, manager.callbacks)
        manager.model.save_pretrained(f"{args.out}/sparse")


def main():
    args = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    numpy.random.seed(args.seed)
    run = Run(args)
    run.sparse(args.dense or run.dense())


main()
