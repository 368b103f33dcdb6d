"""Quantizes an ONNX file with onnxruntime: `dynamic` as for transformers.js, `static` as DeepSparse runs it fastest.

Reads one JSON line with `from`, `to`, `method` and the batches for calibration, and answers when the file is written.
Without onnxruntime and onnx it exits with status 3.
"""
import json
import logging
import sys

try:
    import numpy as np
    import onnx
    import onnxruntime
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_dynamic, quantize_static
except ImportError:
    sys.exit(3)
from serve import padded


class Batches(CalibrationDataReader):
    def __init__(self, batches, names):
        inputs = (padded(batch, np) for batch in batches)
        self.feeds = iter([{name: one[name] for name in names} for one in inputs])

    def get_next(self):
        return next(self.feeds, None)


def main():
    # Advice about models that are not optimized.
    logging.disable(logging.WARNING)
    request = json.loads(sys.stdin.readline())
    source, target = request["from"], request["to"]
    if request["method"] == "dynamic":
        quantize_dynamic(source, target, weight_type=QuantType.QInt8)
    else:
        names = [one.name for one in onnx.load(source).graph.input]
        quantize_static(
            source,
            target,
            Batches(request["batches"], names),
            # DeepSparse 1.8 computes QDQ files in floats.
            quant_format=QuantFormat.QOperator,
            op_types_to_quantize=["MatMul"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True, "MatMulConstBOnly": True},
        )
    print(json.dumps({"name": f"onnxruntime {onnxruntime.__version__}", "kinds": []}), flush=True)


main()
