/** Valid arguments of the package's functions, from which the argument test replaces one at a time. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ValidArguments } from "./calls.ts";
import { byteSource, nodeCalls } from "./node-calls.ts";

type Entry = Readonly<Record<string, (...args: readonly unknown[]) => never>>;
type Values = Readonly<Record<string, () => unknown>>;

/** Returns the valid arguments of functions, by the names of their parameters and, before that, of the functions. */
export async function validArguments(
  entries: Readonly<Record<string, unknown>>,
): Promise<ValidArguments> {
  const common = commonValues(entries as Readonly<Record<string, Entry>>);
  const values = specialValues(entries as Readonly<Record<string, Entry>>, common);
  const { loadClassifier, evaluateClassifier } = values;
  const load = (entries as Readonly<Record<string, Entry>>).classifier?.loadClassifier;
  const classifier: unknown = await load?.(loadClassifier?.files?.());
  const special: typeof values = {
    ...values,
    evaluateClassifier: { ...evaluateClassifier, classifier: () => classifier },
  };
  return ({ name, parameters }) => {
    const values = parameters.map(({ name: parameter, optional }) => {
      const make = special[name]?.[parameter] ?? common[parameter];
      if (make !== undefined) return make();
      return optional ? undefined : MISSING;
    });
    return values.includes(MISSING) ? undefined : values;
  };
}

const MISSING = Symbol("no valid value");

const CONFIG = {
  model_type: "bert",
  vocab_size: 20,
  hidden_size: 8,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 16,
  max_position_embeddings: 8,
  hidden_dropout_prob: 0,
  attention_probs_dropout_prob: 0,
};
const PATTERN = { kind: "block", height: 4, width: 1 };
const PRUNING = {
  target_sparsity: 0.5,
  pattern: "4x1",
  start_step: 1,
  end_step: 3,
  pruning_frequency: 1,
};
const STRICT_CASE = {
  pattern: "4x1",
  result: "exact",
  layers: [],
  budgets: [],
  tied_blocks: {},
  tied_elements: {},
};
const STEPS = 9;
const DIRECTORY = mkdtempSync(join(tmpdir(), "espalier-arguments-"));

function weights(): Float32Array {
  return Float32Array.from({ length: 64 }, (_, i) => i + 1);
}

function layers() {
  return ["a", "b"].map((name) => ({
    name: `${name}.dense`,
    kind: "linear",
    shape: [8, 8],
    data: weights(),
    gradient: weights(),
  }));
}

function commonValues({
  index,
  nn,
  sparse,
  io,
  checkpoint,
  reference,
}: Readonly<Record<string, Entry>>): Values {
  const backend = nn?.createBackend?.({ variant: "scalar" }) as unknown;
  const config = () => nn?.parseModelConfigOrThrow?.(CONFIG) as unknown;
  const parameters = () =>
    nn?.initialiseParameters?.(backend, config(), 1) as unknown as ReadonlyMap<string, unknown>;
  const tape = () =>
    nn?.createTape?.(backend, { training: false, recordGradients: true }) as unknown;
  const variable = () =>
    nn?.input?.(tape(), [2, 4], weights().slice(0, 8), { requiresGradient: true }) as unknown;
  const pruning = () =>
    index?.parsePruningConfigOrThrow?.(PRUNING) as unknown as { pruners: readonly unknown[] };
  const state = () => index?.initialisePruning?.(pruning(), layers()) as unknown;
  const stored = () => io?.tensorFromFloat32?.("F32", [8, 8], weights()) as unknown;
  const tokenizer = () =>
    io?.createTokenizer?.("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n") as unknown;
  const bytes = () =>
    io?.writeSafetensors?.(new Map([["a.weight", stored()]])) as unknown as Uint8Array;
  const blocks = () => sparse?.packBlocks?.(weights(), [8, 8], [4, 1]) as unknown;
  const source = () => ({
    name: "a.weight",
    kind: "linear",
    shape: [8, 8],
    read: () => ({ data: weights() }),
  });
  const oneShot = () =>
    checkpoint?.oneShotConfig?.({ pattern: "4x1", targetSparsity: 0.5 }) as unknown;
  const matrix = () => reference?.weightMatrix?.(weights(), [8, 8]) as unknown;
  const optimizer = () =>
    nn?.createOptimizer?.(backend, parameters(), {
      flavour: "torch",
      learningRate: 0.1,
      betas: [0.9, 0.99],
      epsilon: 1e-8,
      weightDecay: 0,
    }) as unknown;
  const examples = () => [
    { inputIds: [2, 5, 3], tokenTypeIds: [0, 0, 0], attentionMask: [1, 1, 1], label: 1 },
  ];
  return {
    backend: () => backend,
    config,
    parameters,
    optimizer,
    examples,
    tape,
    state,
    source,
    matrix,
    tokenizer,
    bytes,
    blocks,
    a: variable,
    b: variable,
    x: variable,
    variable,
    logits: variable,
    student: variable,
    teacher: variable,
    shape: () => [2, 4],
    step: () => 0,
    layers,
    scratch: () => index?.createPruningScratch?.(state()) as unknown,
    mask: () => new Uint8Array(64).fill(1),
    labels: () => Int32Array.of(1, 0),
    name: () => "a.weight",
    seed: () => 1,
    text: () => "4x1",
    path: () => join(DIRECTORY, "absent"),
    directory: () => join(DIRECTORY, "absent"),
    learningRate: () => 0.1,
    profile: () => "strict",
    pattern: () => PATTERN,
    ratio: () => 0.5,
    spec: () => ({ layout: "bitmask" }),
    tensor: stored,
    tensors: () => new Map([["a.weight", stored()]]),
    weight: () => ({ name: "a.weight", shape: [8, 8], data: weights() }),
    files: () =>
      new Map([
        ["config.json", new TextEncoder().encode(JSON.stringify(CONFIG))],
        ["model.safetensors", bytes()],
      ]),
    code: () => "no-layers",
    json: () => CONFIG,
    tokens: () => 8,
    plan: () => checkpoint?.planLayerwise?.(oneShot(), [source()]) as unknown,
  };
}

function specialValues(
  entries: Readonly<Record<string, Entry>>,
  common: Values,
): Readonly<Record<string, Values>> {
  const { index, nn, sparse, checkpoint, reference } = entries;
  const of = (name: string): never => common[name]?.() as never;
  const pruning = () =>
    index?.parsePruningConfigOrThrow?.(PRUNING) as unknown as { pruners: readonly unknown[] };
  const recipe = () =>
    nn?.findRecipe?.("bertmini-mrpc-4x1") as unknown as
      | { dense: unknown; sparse: unknown }
      | undefined;
  const parameter = (rows: number, columns: number) => () =>
    nn?.createParameter?.(
      of("backend"),
      "p",
      [rows, columns],
      new Float32Array(rows * columns),
    ) as unknown;
  const vector = () =>
    nn?.createParameter?.(of("backend"), "p", [4], new Float32Array(4).fill(1)) as unknown;
  const collate = (rows: readonly unknown[]) => nn?.padExamples?.(rows) as unknown;
  const model = () => nn?.sequenceClassifier?.(of("config"), of("parameters")) as unknown;
  const packed = () => sparse?.pack?.(weights(), [8, 8], { layout: "bitmask" }) as unknown;
  const packedTensor = () =>
    checkpoint?.packTensor?.(
      "a.weight",
      entries.io?.tensorFromFloat32?.(
        "F32",
        [8, 8],
        weights().map((x) => (x % 8 === 0 ? x : 0)),
      ) as never,
    ) as unknown as { entry: unknown; parts: readonly (readonly [string, unknown])[] };
  const contender = () => ({ scores: of("matrix"), settled: null });
  /** The tape of the latest valid call of `backward`, whose loss must be on it. */
  let sweptTape: unknown;
  const problem = () => ({ path: "a", expected: "b", got: "c" });
  const rowSource = () => ({ rows: of("examples"), collate, batchSize: 1 });
  const gradients = () => new Map(layers().map(({ name, gradient }) => [name, gradient]));
  const mask = () => reference?.weightMatrix?.(new Uint8Array(64).fill(1), [8, 8]) as unknown;
  const strictVector = () => ({
    pattern: PATTERN,
    layers: [
      {
        name: "a",
        shape: [4, 1],
        scores: Float32Array.of(1),
        fewest: 0,
        most: 1,
        mask: new Uint8Array(4),
      },
    ],
    budgets: [{ layers: ["a"], pruned: 1 }],
  });
  const layerStatistics = (): never => entries.calibrate?.createStatistics?.(4 as never) as never;
  const calibrationBatch = (): never =>
    ({ data: Float32Array.from({ length: 16 }, (_, i) => Math.sin(i)), samples: 2 }) as never;
  return {
    createStatistics: { columns: () => 4 },
    addBatch: { statistics: layerStatistics, batch: calibrationBatch },
    mergeStatistics: { a: layerStatistics, b: layerStatistics },
    pruneCalibrated: {
      layer: () => ({ shape: [2, 4], data: Float32Array.from({ length: 8 }, (_, i) => i + 1) }),
      statistics: () =>
        entries.calibrate?.addBatch?.(layerStatistics(), calibrationBatch()) as unknown,
      options: () => ({ criterion: "sparsegpt" }),
    },
    InputError: { problems: () => [problem()] },
    formatProblem: { "{ path, expected, got }": problem, problem },
    getOrThrow: { result: () => ({ _tag: "Right", right: 1 }) },
    PruningError: { problem },
    pruneSafetensors: { options: () => ({ pattern: "4x1", sparsity: 0.5 }) },
    pruneOnce: { options: () => ({ pattern: "4x1", targetSparsity: 0.5 }) },
    oneShotConfig: { options: () => ({ pattern: "4x1", targetSparsity: 0.5 }) },
    applyMaskInto: { values: weights },
    initialisePruning: { config: pruning },
    slimPruningConfig: { options: () => ({ feedForward: 0.5, heads: 0.5 }) },
    initialiseHeadPruning: {
      config: () => ({ ...(pruning().pruners[0] as object), pattern: { kind: "heads" } }),
      attentions: () => [{ name: "a", heads: 2, projections: ["a"], output: "b" }],
      layers: () => ["a", "b"].map((name) => ({ ...layers()[0], name })),
    },
    parsePruningConfig: { config: () => PRUNING },
    parsePruningConfigOrThrow: { config: () => PRUNING },
    createParameter: { values: () => new Float32Array(8) },
    createTensor: { values: () => new Float32Array(8) },
    createParameters: {
      tensors: () =>
        new Map(
          [
            ...(of("parameters") as ReadonlyMap<
              string,
              { value: { shape: unknown; data: unknown } }
            >),
          ].map(([name, { value }]) => [
            name,
            { shape: value.shape, data: (value.data as Float32Array).slice() },
          ]),
        ),
    },
    createThreadedBackend: {
      options: () => ({
        variant: "scalar",
        threads: 1,
        startThread: () => Promise.reject(new Error("none")),
      }),
    },
    startWebThread: {
      createWorker: () => () => ({ postMessage() {}, addEventListener() {}, terminate() {} }),
    },
    createOptimizer: {
      settings: () => ({
        flavour: "torch",
        learningRate: 0.1,
        betas: [0.9, 0.99],
        epsilon: 1e-8,
        weightDecay: 0,
      }),
      rules: () => [],
    },
    densePhaseSettings: {
      phase: () => recipe()?.dense,
      "{ seed, profile, sparseProducts, exampleCount }": () => ({
        seed: 1,
        profile: "inc",
        sparseProducts: "auto",
        exampleCount: 9,
      }),
      context: () => ({ seed: 1, profile: "inc", sparseProducts: "auto", exampleCount: 9 }),
    },
    sparsePhaseSettings: {
      phase: () => recipe()?.sparse,
      context: () => ({ seed: 1, profile: "inc", sparseProducts: "auto", exampleCount: 9 }),
    },
    recipePruningConfig: { recipe: () => recipe()?.sparse, exampleCount: () => 9 },
    findRecipe: { recipe: () => "bertmini-mrpc-4x1" },
    Tensor: { memory: () => (of("backend") as { memory: unknown }).memory },
    attentionProbabilities: {
      query: () =>
        nn?.input?.(of("tape"), [1, 2, 4] as never, weights().slice(0, 8) as never) as unknown,
      key: () =>
        nn?.input?.(of("tape"), [1, 2, 4] as never, weights().slice(0, 8) as never) as unknown,
      options: () => ({
        heads: 2,
        keyBias: nn?.input?.(of("tape"), [1, 2] as never, new Float32Array(2) as never) as unknown,
        dropout: 0,
        maxPositions: 4,
      }),
    },
    attentionContext: {
      probabilities: () =>
        nn?.input?.(of("tape"), [1, 2, 2, 2] as never, new Float32Array(8) as never) as unknown,
      values: () =>
        nn?.input?.(of("tape"), [1, 2, 4] as never, weights().slice(0, 8) as never) as unknown,
    },
    backward: {
      tape: () => {
        sweptTape = nn?.createTape?.(of("backend"), { training: true } as never) as unknown;
        return sweptTape;
      },
      loss: () => {
        const [a, b] = [1, 2].map((value) =>
          nn?.input?.(
            sweptTape as never,
            [1] as never,
            Float32Array.of(value) as never,
            { requiresGradient: true } as never,
          ),
        );
        return nn?.meanSquaredError?.(sweptTape as never, a as never, b as never) as unknown;
      },
    },
    constant: { tensor: () => nn?.createTensor?.(of("backend"), [2, 4] as never) as unknown },
    createTape: { options: () => ({ training: false }) },
    decodeSnapshot: {
      kind: () => "training",
      "{ json, tensors }": () => ({ json: "{}", tensors: new Map() }),
      encoded: () => ({ json: "{}", tensors: new Map() }),
    },
    decodeSnapshotOrThrow: {
      kind: () => "training",
      encoded: () => nn?.encodeSnapshot?.("training" as never, { version: 3 } as never) as unknown,
    },
    encodeSnapshot: { kind: () => "training", snapshot: () => ({ version: 3 }) },
    dropout: { rate: () => 0.1 },
    embeddingSum: {
      shape: () => [1, 2],
      lookups: () => [{ table: parameter(5, 4)(), ids: Int32Array.of(1, 2) }],
    },
    evaluate: { model, source: rowSource },
    predict: { model, "{ rows, collate, batchSize }": rowSource, source: rowSource },
    fineTune: {
      options: () => ({
        backend: of("backend"),
        model: model(),
        trainingRows: of("examples"),
        collate,
        epochs: 1,
        batchSize: 1,
        settings: nn?.trainingSettings?.() as unknown,
      }),
    },
    runExperiment: {
      options: () => ({
        backend: of("backend"),
        seed: 1,
        recipes: [nn?.findRecipe?.("bertmini-mrpc-dense") as unknown],
        config: of("config"),
        trainingRows: of("examples"),
        evaluationRows: of("examples"),
      }),
    },
    forward: { batch: () => collate(of("examples")) },
    input: { values: () => new Float32Array(8), "{ requiresGradient }": () => undefined },
    layerNorm: { gamma: vector, beta: vector },
    linear: { weight: parameter(3, 4), bias: () => null },
    scale: { factor: () => 2 },
    scalarOf: { variable: () => nn?.input?.(of("tape"), [], Float32Array.of(1)) as unknown },
    scope: { body: () => () => of("variable") },
    scorePredictions: {
      predictions: () => ({ logits: Float32Array.of(1, 2), labels: [1], classes: 2, loss: 1 }),
    },
    selectRows: { rows: () => Int32Array.of(1) },
    formatExecution: { execution: () => ({ kind: "dense" }) },
    createSparseClassifier: {
      read: () => {
        const parameters = of("parameters") as ReadonlyMap<
          string,
          { value: { shape: unknown; data: Float32Array } }
        >;
        return (name: string) => {
          const found = parameters.get(name)?.value;
          return found && { shape: found.shape, data: found.data.slice() };
        };
      },
      options: () => ({ executions: "dense" }),
    },
    layoutBytes: { data: weights, shape: () => [8, 8] },
    pack: { data: weights, shape: () => [8, 8] },
    packBlocks: { data: weights, shape: () => [8, 8], block: () => [4, 1] },
    quantizeRows: { data: weights, shape: () => [8, 8], options: () => ({ block: [4, 1] }) },
    smallestLayout: { data: weights, shape: () => [8, 8] },
    packedBytes: { matrix: packed },
    packedProblems: { matrix: packed },
    unpack: { matrix: packed },
    parseSafetensorsHeader: {
      prefix: () => of("bytes"),
      fileBytes: () => (of("bytes") as Uint8Array).length,
    },
    safetensorsHeaderEnd: {
      source: () => "a.safetensors",
      prefix: () => of("bytes"),
      fileBytes: () => (of("bytes") as Uint8Array).length,
    },
    rawElements: { dtype: () => "F32", bytes: () => new Uint8Array(8) },
    tensorFromFloat32: { dtype: () => "F32", values: () => new Float32Array(8) },
    createTokenizer: { vocabText: () => "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n" },
    decode: { ids: () => [2, 5, 3] },
    encode: { text: () => "a b", textPair: () => "b", maxLength: () => 8 },
    parseGlueTsv: { task: () => "mrpc", fileName: () => "a.tsv", text: () => "a\n" },
    compareNames: { parameters: () => ["a.weight"] },
    parseYaml: { text: () => "a: 1" },
    writeHuggingFaceDirectory: {
      "{ config, tensors, tokenizer, }": () => ({ config: CONFIG, tensors: of("tensors") }),
      model: () => ({ config: CONFIG, tensors: of("tensors") }),
    },
    formatManifest: { manifest: () => new Map([["a.weight", packedTensor().entry]]) },
    parseManifest: { source: () => "a", text: () => "{}" },
    tensorFacts: {
      tensors: () => [{ name: "a.weight", shape: [8, 8] }],
      "{ modelTypes, overrides }": () => undefined,
    },
    unpackTensor: { entry: () => packedTensor().entry, parts: () => new Map(packedTensor().parts) },
    openCheckpointFile: { source: () => byteSource(of("bytes")) },
    planLayerwise: {
      config: () => checkpoint?.oneShotConfig?.({ pattern: "4x1", targetSparsity: 0.5 }) as unknown,
      sources: () => [of("source")],
    },
    planPruning: { "{ pruners }": pruning, config: pruning, options: () => ({ steps: STEPS }) },
    verifyPattern: { weights: () => [of("weight")], options: () => ({ pattern: "4x1" }) },
    verifyWeight: { options: () => ({ pattern: "4x1" }) },
    ...nodeCalls(entries, of, CONFIG),
    Refusal: { message: () => "a" },
    adjustedShare: {
      counts: () => [{ pruned: 1, total: 2 }],
      index: () => 0,
      proposal: () => ({ pruned: 1, total: 2 }),
      "{ least, most, final }": () => ({ least: 0, most: 1, final: 0.5 }),
      bounds: () => ({ least: 0, most: 1, final: 0.5 }),
    },
    exactCount: { blocks: () => 4 },
    exactMasks: { contenders: () => [contender()], bounds: () => ({ least: 0, most: 1 }) },
    inWeightOrder: { shape: () => [8, 8] },
    interpolatedMasks: {
      changes: () => [{ before: mask(), after: mask(), applied: mask(), scores: of("matrix") }],
      part: () => 1,
      parts: () => 4,
    },
    judgeStrictMasks: { vector: strictVector, masks: () => new Map([["a", new Uint8Array(4)]]) },
    lockedMask: {
      layout: () => reference?.layoutOf?.(PATTERN as never, [8, 8] as never) as unknown,
      weight: () => of("matrix"),
      pattern: () => PATTERN,
    },
    layoutOf: { shape: () => [8, 8] },
    pruneOnceReference: {
      layers: () => [{ shape: [8, 8], data: weights() }],
      options: () => ({
        pattern: PATTERN,
        targetSparsity: 0.5,
        scope: "global",
        criterion: "magnitude",
        scoreReduction: "mean",
        profile: "strict",
      }),
    },
    pruningTrajectory: {
      config: pruning,
      steps: () => [{ gradients: gradients(), changes: gradients() }],
    },
    readStrictCase: {
      source: () => ({ name: "a", json: JSON.stringify(STRICT_CASE), tensors: of("bytes") }),
    },
    rearrangedBlocks: {
      vectors: () => [[2], [2], [-2]],
      count: () => 2,
      settled: () => [],
      lowMemory: () => false,
    },
    selectedLayers: { config: () => pruning().pruners[0], excludeHead: () => true },
    weightMatrix: { data: weights, shape: () => [8, 8] },
    unused: {},
    smallest: {},
  };
}
