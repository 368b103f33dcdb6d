"""An exported classifier in onnxruntime for Python. Without onnxruntime it exits with status 3."""
import json
import sys

try:
    import numpy as np
    import onnxruntime
except ImportError:
    sys.exit(3)
from serve import padded, serve


def main():
    request = json.loads(sys.stdin.readline())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(request["model"], options, ["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]

    def run_of(batch):
        inputs = padded(batch, np)
        feeds = {name: inputs[name] for name in names}
        return lambda: session.run(["logits"], feeds)[0]

    serve(f"onnxruntime {onnxruntime.__version__}, Python", request["batches"], run_of)


main()
