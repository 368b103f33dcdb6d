"""The protocol of peers in Python: writes a description, then answers each line; see serve.mjs."""
import json
import resource
import sys
import time


def peak_memory():
    try:
        with open("/proc/self/status") as status:
            return 1024 * int(next(line for line in status if line.startswith("VmHWM")).split()[1])
    except OSError:
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def timed(run, least):
    start, runs, elapsed = time.perf_counter(), 0, 0.0
    while runs == 0 or elapsed < least / 1000:
        run()
        runs += 1
        elapsed = time.perf_counter() - start
    return 1000 * elapsed / runs


def padded(batch, np):
    """Token ids, attention mask and token types of a batch, padded to the longest row."""
    rows = batch["rows"]
    shape = (len(rows), max(len(row) for row in rows))
    ids = np.full(shape, batch["padId"], np.int64)
    mask = np.zeros(shape, np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros(shape, np.int64)}


def serve(name, batches, run_of):
    """`run_of(batch)` returns a function that computes the logits of the batch."""
    runs = {batch["name"]: run_of(batch) for batch in batches}
    answers = {f"logits:{one}": lambda run=run: run().flatten().tolist() for one, run in runs.items()}
    answers["peak"] = peak_memory
    print(json.dumps({"name": name, "kinds": list(runs)}), flush=True)
    for line in sys.stdin:
        asked, *least = line.split()
        if asked in answers:
            print(json.dumps(answers[asked]()), flush=True)
        else:
            print(timed(runs[asked], float(least[0]) if least else 0), flush=True)
