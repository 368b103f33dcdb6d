/** Writes a sequence classifier as an ONNX file. */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { InputError } from "../core/either.ts";
import type { ModelConfig } from "../model/config.ts";
import { type NamedValues, parameterList } from "../model/parameters.ts";
import { addClassifier, inputNames, LOGITS } from "./encoder.ts";
import { createGraph } from "./graph.ts";
import {
  TensorProto_DataType as DataType,
  ModelProtoSchema,
  type ValueInfoProtoSchema,
  Version,
} from "./onnx.generated.ts";
import type { InputRange, Precision, RoundedWeight } from "./weights.ts";

/** The version of the operators. */
const OPSET = 17n;

/** The size from which protobuf cannot hold a message, less room for the nodes. */
const MOST_BYTES = 2 ** 31 - 2 ** 20;

/** What {@link exportModel} writes. */
export interface ExportSource {
  readonly config: ModelConfig;
  /** Reads a parameter by its name in transformers. */
  readonly read: (name: string) => NamedValues;
  readonly precision: Precision;
  /** The range of the input of each linear layer, by name, to round inputs as well. Null: inputs stay float32. */
  readonly ranges: ReadonlyMap<string, InputRange> | null;
  /** The version of this program, for the file. */
  readonly version: string;
}

/** An ONNX file. */
export interface ExportedModel {
  readonly bytes: Uint8Array;
  readonly nodes: number;
  readonly inputs: readonly string[];
  /** The weights that were rounded to eight bits. */
  readonly rounded: readonly RoundedWeight[];
}

/**
 * Writes a model as an ONNX file, without dropout. Linear weights are transposed. With `int8`, linear weights and
 * embeddings, except for the classifier and token types, are 8-bit integers.
 *
 * @throws InputError if the file would be too large, or if a weight to round has an element that is not finite
 */
export function exportModel(source: ExportSource): ExportedModel {
  const { config, read, precision, ranges, version } = source;
  checkSize(config, precision);
  const graph = createGraph();
  const rounded: RoundedWeight[] = [];
  addClassifier({ graph, read, rounded, config, precision, ranges, roundedInputs: new Map() });
  const inputs = inputNames(config);
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(Version.IR_VERSION_2021_7_30),
    producerName: "espalier",
    producerVersion: version,
    opsetImport: [{ domain: "", version: OPSET }],
    metadataProps: metadata(config),
    graph: {
      name: config.modelType,
      node: graph.nodes,
      initializer: [...graph.tensors.values()],
      input: inputs.map((name) => valueInfo(name, DataType.INT64, "batch", "sequence")),
      output: [valueInfo(LOGITS, DataType.FLOAT, "batch", config.labels)],
    },
  });
  const bytes = toBinary(ModelProtoSchema, model);
  return { bytes, nodes: graph.nodes.length, inputs, rounded };
}

function checkSize(config: ModelConfig, precision: Precision): void {
  const size = precision === "float32" ? 4 : 1;
  const bytes = parameterList(config).reduce(
    (sum, { shape }) => sum + size * shape.reduce((product, length) => product * length, 1),
    0,
  );
  if (bytes <= MOST_BYTES) return;
  const expected = `weights of at most ${MOST_BYTES} bytes, for one ONNX file`;
  const hint = precision === "float32" ? "; `precision` int8 needs a quarter" : "";
  throw new InputError([{ path: "MODEL", expected, got: `${bytes}${hint}` }]);
}

/** Describes a value with two dimensions: a name stands for any length. */
function valueInfo(
  name: string,
  elemType: DataType,
  ...lengths: readonly (string | number)[]
): MessageInitShape<typeof ValueInfoProtoSchema> {
  const dim = lengths.map((length) =>
    typeof length === "string"
      ? { value: { case: "dimParam" as const, value: length } }
      : { value: { case: "dimValue" as const, value: BigInt(length) } },
  );
  return { name, type: { value: { case: "tensorType", value: { elemType, shape: { dim } } } } };
}

/** What programs need to interpret the logits, and the longest input, as text. */
function metadata({ modelType, maxPositions, problemType, source }: ModelConfig) {
  const stated: Readonly<Record<string, unknown>> = {
    model_type: modelType,
    max_length: maxPositions,
    problem_type: problemType,
    id2label: source.id2label,
  };
  return Object.entries(stated).flatMap(([key, value]) => {
    if (value === undefined || value === null) return [];
    return [{ key, value: typeof value === "string" ? value : JSON.stringify(value) }];
  });
}
