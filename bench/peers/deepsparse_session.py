"""An exported classifier in DeepSparse, compiled for each batch. Without DeepSparse it exits with status 3."""
import json
import os
import shutil
import sys
import tempfile

try:
    import numpy as np
    # DeepSparse prints a line on standard output, which is the channel of answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    import deepsparse
except ImportError:
    sys.exit(3)
from serve import padded, serve


def main():
    request = json.loads(sys.stdin.readline())
    folder = tempfile.mkdtemp(prefix="espalier-deepsparse-")

    def run_of(batch):
        inputs = padded(batch, np)
        # DeepSparse writes the shapes of the inputs into the file.
        model = os.path.join(folder, f"{batch['name']}.onnx")
        shutil.copyfile(request["model"], model)
        shape = list(inputs["input_ids"].shape)
        engine = deepsparse.Engine(
            model, batch_size=shape[0], num_cores=request["threads"], input_shapes=[shape] * request["inputs"]
        )
        os.remove(model)
        feeds = [inputs[name] for name in engine.input_names]
        return lambda: engine.run(feeds)[0]

    try:
        sys.stdout = os.fdopen(answers, "w")
        serve(f"DeepSparse {deepsparse.__version__}", request["batches"], run_of)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


main()
