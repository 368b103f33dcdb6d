import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { createTape } from "../../src/autograd/tape.ts";
import { createBackend } from "../../src/kernels/backend.ts";
import { readsTokenTypes, type TokenBatch } from "../../src/model/batch.ts";
import { forward } from "../../src/model/forward.ts";
import { createParameters, type NamedValues } from "../../src/model/parameters.ts";
import { exportModel } from "../../src/onnx/model.ts";
import {
  TensorProto_DataType as DataType,
  type GraphProto,
  ModelProtoSchema,
  type TensorProto,
  type ValueInfoProto,
} from "../../src/onnx/onnx.generated.ts";
import type { Precision } from "../../src/onnx/weights.ts";
import { createCalibration } from "../../src/run/calibration.ts";
import { interpret, storedValue, type Value } from "./interpreter.ts";
import { CONFIGS, randomModel } from "./models.ts";

type Model = ReturnType<typeof randomModel>;

type Ranges = Parameters<typeof exportModel>[0]["ranges"];

function exported(
  { config, read }: Model,
  precision: Precision = "float32",
  ranges: Ranges = null,
) {
  const result = exportModel({ config, read, precision, ranges, version: "1.2.3" });
  const proto = fromBinary(ModelProtoSchema, result.bytes);
  if (proto.graph === undefined) throw new Error("expected a graph");
  return { ...result, proto, graph: proto.graph };
}

/** Three texts of 5 tokens: the second one ends with padding, the third one is padding only after its first token. */
function batchFor({ config }: Pick<Model, "config">): TokenBatch {
  const pad = config.padTokenId;
  const ids = [4, 7, 22, 5, 9, 4, 8, 3, pad, pad, 6, pad, pad, pad, pad];
  return {
    batch: 3,
    positions: 5,
    inputIds: Int32Array.from(ids),
    attentionMask: Uint8Array.from(ids, (id) => Number(id !== pad)),
    tokenTypeIds: Int32Array.from(ids, (_, i) => (readsTokenTypes(config) && i % 5 > 2 ? 1 : 0)),
  };
}

function logitsOf({ config, tensors }: Model, batch: TokenBatch): readonly number[] {
  const backend = createBackend({ variant: "scalar" });
  const parameters = createParameters(backend, config, tensors);
  const tape = createTape(backend, { training: false });
  return [...forward(tape, config, parameters, batch).logits.value.data];
}

function calibrated({ config, read }: Model) {
  const calibration = createCalibration(createBackend({ variant: "scalar" }), config, read);
  const logits = calibration.classifier.logits(batchFor({ config }));
  return { ranges: calibration.ranges, logits: [...logits] };
}

function interpreted(graph: GraphProto, batch: TokenBatch): Value {
  const shape = [batch.batch, batch.positions];
  const inputs = {
    input_ids: { shape, data: [...batch.inputIds] },
    attention_mask: { shape, data: [...batch.attentionMask] },
    token_type_ids: { shape, data: [...batch.tokenTypeIds] },
  };
  const given = Object.entries(inputs).filter(([name]) =>
    graph.input.some((input) => input.name === name),
  );
  const logits = interpret(graph, Object.fromEntries(given)).get("logits");
  if (logits === undefined) throw new Error("expected logits");
  return logits;
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((x, i) => Math.abs(x - (b[i] ?? NaN))));
}

/** The elements of a weight in the order of transformers. Linear weights are stored transposed. */
function original({ docString, ...tensor }: TensorProto): readonly number[] {
  const { shape, data } = storedValue(tensor as TensorProto);
  if (docString === "") return data;
  const [inputs = 0, outputs = 0] = shape;
  return data.map((_, i) => data[(i % inputs) * outputs + Math.floor(i / inputs)] ?? NaN);
}

function tensorsOf(graph: GraphProto): ReadonlyMap<string, TensorProto> {
  return new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
}

/** Name, element type and dimensions. */
function describeValue({ name, type }: ValueInfoProto): readonly unknown[] {
  if (type?.value.case !== "tensorType") throw new Error("expected a tensor");
  const { elemType, shape } = type.value.value;
  return [name, elemType, ...(shape?.dim.map(({ value }) => value.value) ?? [])];
}

describe.each(Object.keys(CONFIGS))("the ONNX file of %s", (name) => {
  const model = randomModel(CONFIGS[name] ?? {});

  // Logits are below 4 and float32 sums have at most 12 terms a layer: far below 1e-5.
  test("has the model's logits", () => {
    const batch = batchFor(model);
    const { graph } = exported(model);
    const logits = interpreted(graph, batch);
    expect(logits.shape).toEqual([3, model.config.labels]);
    expect(largestDifference(logits.data, logitsOf(model, batch))).toBeLessThan(1e-5);
  });

  test("has the model's logits for one token", () => {
    const one = { batch: 1, positions: 1, inputIds: Int32Array.of(7) };
    const batch = { ...one, attentionMask: Uint8Array.of(1), tokenTypeIds: Int32Array.of(0) };
    const logits = interpreted(exported(model).graph, batch);
    expect(largestDifference(logits.data, logitsOf(model, batch))).toBeLessThan(1e-5);
  });

  test("has every parameter under its name in transformers, with the same bits", () => {
    const stored = tensorsOf(exported(model).graph);
    for (const [parameter, { data }] of model.tensors) {
      const tensor = stored.get(parameter);
      expect(tensor?.dataType, parameter).toBe(DataType.FLOAT);
      if (tensor !== undefined) expect(original(tensor)).toEqual([...data]);
    }
  });

  test("has the logits of its rounded weights in 8 bits, with zeros as zeros", () => {
    const { graph, rounded } = exported(model, "int8");
    const stored = tensorsOf(graph);
    const roundedTensors = new Map<string, NamedValues>(model.tensors);
    for (const { name: weight, error } of rounded) {
      const { shape, data } = model.read(weight);
      const values = stored.get(`${weight}_quantized`);
      const scale = stored.get(`${weight}_scale`);
      if (values === undefined || scale === undefined) throw new Error(`no ${weight}_quantized`);
      expect(stored.has(weight)).toBe(false);
      expect(values.dataType).toBe(DataType.INT8);
      const integers = original(values);
      expect(data.every((x, i) => x !== 0 || integers[i] === 0)).toBe(true);
      const scales = storedValue(scale).data;
      const columns = data.length / scales.length;
      const found = data.map(
        (_, i) => (integers[i] ?? NaN) * (scales[Math.floor(i / columns)] ?? NaN),
      );
      expect(largestDifference([...found], [...data])).toBeCloseTo(error, 6);
      roundedTensors.set(weight, { shape, data: found });
    }
    // All linear layers but the classifier, words and positions.
    const projection = model.config.embeddingSize === model.config.hiddenSize ? 0 : 1;
    expect(rounded.length).toBe(6 * model.config.layers + 3 + projection);
    const batch = batchFor(model);
    const logits = interpreted(graph, batch);
    const expected = logitsOf({ ...model, tensors: roundedTensors }, batch);
    expect(largestDifference(logits.data, expected)).toBeLessThan(1e-5);
  });

  test("rounds the inputs of linear layers to given ranges", () => {
    const { ranges, logits } = calibrated(model);
    const { graph } = exported(model, "int8", ranges);
    const stored = tensorsOf(graph);
    const rounding = graph.node.filter(({ opType }) => opType === "QuantizeLinear");
    // Query, key and value share one input. The classifier reads floats.
    const projection = model.config.embeddingSize === model.config.hiddenSize ? 0 : 1;
    expect(rounding).toHaveLength(4 * model.config.layers + 1 + projection);
    for (const { input, name } of rounding) {
      const [scale = NaN, zeroPoint = NaN] = input.slice(1).map((parameter) => {
        const tensor = stored.get(parameter);
        return tensor === undefined ? NaN : (storedValue(tensor).data[0] ?? NaN);
      });
      const range = ranges.get(name.split("/input/")[0] ?? "");
      if (range === undefined) throw new Error(`no range for ${name}`);
      // The range and 0 are covered up to half a step.
      expect(-zeroPoint * scale).toBeLessThanOrEqual(Math.min(0, range.least) + 0.501 * scale);
      const largest = (255 - zeroPoint) * scale;
      expect(largest).toBeGreaterThanOrEqual(Math.max(0, range.largest) - 0.501 * scale);
      expect(scale * 254).toBeLessThan(Math.max(0, range.largest) - Math.min(0, range.least));
    }
    const found = interpreted(graph, batchFor(model)).data;
    expect(largestDifference(found, logits)).toBeLessThan(0.1);
  });

  test("uses each name once, and every tensor", () => {
    const { ranges } = calibrated(model);
    const graphs = [
      exported(model).graph,
      exported(model, "int8").graph,
      exported(model, "int8", ranges).graph,
    ];
    for (const graph of graphs) {
      const outputs = graph.node.flatMap(({ output }) => output);
      const tensors = graph.initializer.map((tensor) => tensor.name);
      const names = [...outputs, ...tensors, ...graph.input.map((input) => input.name)];
      expect(new Set(names).size).toBe(names.length);
      const read = new Set(graph.node.flatMap(({ input }) => input));
      expect([...names].filter((one) => one !== "logits" && !read.has(one))).toEqual([]);
    }
  });
});

describe("exportModel", () => {
  const model = randomModel(CONFIGS.bert ?? {});

  test("writes opset 17, and describes inputs and outputs", () => {
    const { proto, graph, inputs, nodes } = exported(model);
    expect(proto.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([["", 17n]]);
    expect([proto.irVersion, proto.producerName, proto.producerVersion]).toEqual([
      8n,
      "espalier",
      "1.2.3",
    ]);
    expect(graph.input.map(describeValue)).toEqual([
      ["input_ids", DataType.INT64, "batch", "sequence"],
      ["attention_mask", DataType.INT64, "batch", "sequence"],
      ["token_type_ids", DataType.INT64, "batch", "sequence"],
    ]);
    expect(graph.output.map(describeValue)).toEqual([["logits", DataType.FLOAT, "batch", 3n]]);
    expect(inputs).toEqual(graph.input.map(({ name }) => name));
    expect(nodes).toBe(graph.node.length);
  });

  test.each(["distilbert", "roberta"])("asks for no token types that %s does not read", (name) => {
    const { inputs } = exported(randomModel(CONFIGS[name] ?? {}));
    expect(inputs).toEqual(["input_ids", "attention_mask"]);
  });

  test("stores the names of labels and the longest input", () => {
    const id2label = { 0: "no", 1: "yes" };
    const named = { ...CONFIGS.bert, num_labels: 2, id2label };
    const { proto } = exported(randomModel(named));
    const stored = proto.metadataProps.map(({ key, value }) => [key, value]);
    expect(Object.fromEntries(stored)).toEqual({
      model_type: "bert",
      max_length: "24",
      id2label: JSON.stringify(id2label),
    });
  });

  test("gives the same bytes each time", () => {
    expect(exported(model, "int8").bytes).toEqual(exported(model, "int8").bytes);
  });

  test("refuses weights that do not fit into one file, before it reads any", () => {
    const { config } = randomModel(CONFIGS.bert ?? {});
    const large = { ...config, vocabularySize: 70_000_000 };
    const read = (): never => {
      throw new Error("expected no reading");
    };
    const source = {
      config: large,
      read,
      precision: "float32",
      ranges: null,
      version: "1",
    } as const;
    expect(() => exportModel(source)).toThrow(
      /^MODEL: expected weights of at most 2146435072 bytes, for one ONNX file, got 22400\d+; `precision` int8 needs a quarter$/,
    );
  });
});
