/** Replays pipelines: a configuration from two sparsities, pruning with recorded gradients, and the removal of zeros. */
import { headHooks } from "../heads/hooks.ts";
import { initialiseHeadPruning } from "../heads/initialise.ts";
import { type HeadPruningState, linearLayers } from "../heads/state.ts";
import type { Backend } from "../kernels/backend.ts";
import { moduleList } from "../model/modules.ts";
import { countZeros } from "../prune/count.ts";
import { onAfterOptimizerStep, onBeforeOptimizerStep, onStepBegin } from "../prune/hooks.ts";
import { initialisePruning } from "../prune/initialise.ts";
import type { LayerRecord } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import type { PruningState } from "../prune/state.ts";
import { prunersByKind } from "../train/pruning.ts";
import { KIND_OF_MODULE } from "../train/trainable-model.ts";
import { at, expectedError, type JsonObject, type OpenCase, tensorsBelow } from "./case-files.ts";
import { compare, type Difference, differenceAt, firstOf } from "./difference.ts";
import { descend, statedTensor } from "./pruning-case.ts";
import { AS_INC } from "./pruning-config.ts";
import { autoSlimDifference, autoSlimPruners } from "./slim-analysis.ts";
import { attentionsOf, readSlimModel, type SlimModel, type Tensors } from "./slim-model.ts";
import { removalDifference } from "./slim-removal.ts";

const WEIGHT_TOLERANCE = { absolute: 1e-5 };
const RATIO = { absolute: 1e-12 };

/** The state of a pipeline: pruners of channels, which come first, and of heads. */
interface Pipeline {
  readonly blocks: PruningState;
  readonly heads: readonly HeadPruningState[];
  readonly layers: readonly LayerRecord[];
}

type Update = (pipeline: Pipeline) => Pipeline;

/** Returns the records of all modules, with the recorded weights. */
function recordsOf({ config, prefix }: SlimModel, tensors: Tensors): readonly LayerRecord[] {
  return moduleList(config).flatMap(({ name, kind }): readonly LayerRecord[] => {
    const own = name.slice(prefix.length);
    const weight = tensors.get(`${own}.weight`);
    const isLinear = kind === "linear" && weight !== undefined;
    const { shape, data } = isLinear ? weight : { shape: [], data: new Float32Array(0) };
    return [{ name: own, kind: isLinear ? KIND_OF_MODULE[kind] : "other", shape, data }];
  });
}

function start(files: OpenCase, model: SlimModel, tensors: Tensors): Pipeline {
  const { json } = files;
  const pruners = autoSlimPruners(model, at.object(json, "auto_slim_args"));
  const keys = { ...at.object(json, "config"), pruning_configs: pruners };
  const config = parsePruningConfigOrThrow(keys, AS_INC);
  const { blocks, heads } = prunersByKind(config);
  const layers = recordsOf(model, tensors);
  return {
    layers,
    blocks: initialisePruning(blocks, layers, { allowNothing: true }),
    heads: heads.map((one) => initialiseHeadPruning(one, attentionsOf(model), layers)),
  };
}

interface Updated<State> {
  readonly state: State;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

/** Runs a hook of all pruners in turn. */
function updated(
  pipeline: Pipeline,
  ofBlocks: (state: PruningState, layers: readonly LayerRecord[]) => Updated<PruningState>,
  ofHeads: (state: HeadPruningState, layers: readonly LayerRecord[]) => Updated<HeadPruningState>,
): Pipeline {
  let { blocks, layers } = pipeline;
  const take = <State>({ state, weights }: Updated<State>): State => {
    layers = layers.map((one) => ({ ...one, data: weights.get(one.name) ?? one.data }));
    return state;
  };
  // The hooks refuse a state without pruners.
  if (blocks.pruners.length > 0) blocks = take(ofBlocks(blocks, layers));
  const heads = pipeline.heads.map((one) => take(ofHeads(one, layers)));
  return { blocks, heads, layers };
}

/** Replays one step, and returns the state in its middle, after new masks were chosen, and at its end. */
function stepOf(files: OpenCase, step: number): { readonly begin: Update; readonly end: Update } {
  const learningRate = at.number(files.json, "lr");
  return {
    begin: (pipeline) =>
      updated(
        pipeline,
        (state, layers) => onStepBegin(state, step, layers),
        (state, layers) => headHooks.onStepBegin(state, step, layers),
      ),
    end: (pipeline) => {
      const layers = pipeline.layers.map((layer) => {
        const gradient = statedTensor(files, `grad/${step}/${layer.name}`);
        return { ...layer, gradient: gradient ?? new Float32Array(layer.data.length) };
      });
      const scored = updated(
        { ...pipeline, layers },
        onBeforeOptimizerStep,
        headHooks.onBeforeOptimizerStep,
      );
      const moved = { ...scored, layers: scored.layers.map((one) => descend(one, learningRate)) };
      return updated(moved, onAfterOptimizerStep, headHooks.onAfterOptimizerStep);
    },
  };
}

/** The masks by name: one value for each column of a layer, or for each head of an attention layer. */
function masksOf({ blocks, heads }: Pipeline): ReadonlyMap<string, Uint8Array> {
  const columns = blocks.pruners.flatMap(({ layers }) =>
    layers.map(({ name, mask, layout }) => [name, mask.subarray(0, layout.columns)] as const),
  );
  const own = heads.flatMap(({ attentions }) =>
    attentions.map(({ name, mask }) => [name, mask] as const),
  );
  return new Map([...columns, ...own]);
}

function masksDifference(
  files: OpenCase,
  step: number,
  pipeline: Pipeline,
  stated: Map<string, Float32Array>,
): Difference | undefined {
  const masks = masksOf(pipeline);
  for (const [name, { data }] of tensorsBelow(files, `mask/${step}/`)) stated.set(name, data);
  const unknown = [...stated.keys()].find((name) => !masks.has(name));
  if (unknown !== undefined)
    return differenceAt({ step, layer: unknown, quantity: "mask" }, "a mask", "none");
  return firstOf(masks, ([layer, mask]) => {
    const wanted = stated.get(layer) ?? new Float32Array(mask.length).fill(1);
    return compare({ step, layer, quantity: "mask" }, wanted, mask);
  });
}

/** The names of the layers of all pruners, in order. */
function ownedLayers({ blocks, heads }: Pipeline): readonly string[] {
  return [
    ...blocks.pruners.flatMap(({ layers }) => layers.map(({ name }) => name)),
    ...heads.flatMap(({ attentions }) => attentions.flatMap(linearLayers)),
  ];
}

function weightOf({ layers }: Pipeline, layer: string): Float32Array {
  return layers.find(({ name }) => name === layer)?.data ?? new Float32Array(0);
}

function eventDifference(event: JsonObject, pipeline: Pipeline): Difference | undefined {
  const step = at.number(event, "step");
  const { blocks, heads } = pipeline;
  const shares = [...blocks.pruners, ...heads].map(({ currentSparsity }) => currentSparsity);
  const zeros = ownedLayers(pipeline).map((name) => countZeros(weightOf(pipeline, name)));
  const of = (quantity: string) => ({ step, quantity });
  return (
    compare(of("sparsity"), at.numbers(event, "current_sparsity_ratio"), shares, RATIO) ??
    compare(of("zero weights"), at.numbers(event, "w_zeros"), zeros)
  );
}

/** Replays the whole pipeline. */
export function pipelineDifference(files: OpenCase, backend: Backend): Difference | undefined {
  const { json } = files;
  const model = readSlimModel(json);
  const tensors: Tensors = tensorsBelow(files, "param/");
  let pipeline = start(files, model, tensors);
  const events = at.objects(json, "events");
  const steps = Array.from({ length: at.number(json, "steps") }, (_, step) => step);
  const owned = at.objects(json, "pruners").flatMap((pruner) => at.texts(pruner, "layers"));
  const stated = new Map<string, Float32Array>();
  return (
    autoSlimDifference(files, model) ??
    compare("selected layers", owned, ownedLayers(pipeline)) ??
    compare(
      "step of event",
      steps,
      events.map((event) => at.number(event, "step")),
    ) ??
    firstOf(events, (event) => {
      const step = at.number(event, "step");
      const { begin, end } = stepOf(files, step);
      pipeline = begin(pipeline);
      const difference = masksDifference(files, step, pipeline, stated);
      if (difference !== undefined) return difference;
      pipeline = end(pipeline);
      return eventDifference(event, pipeline);
    }) ??
    firstOf(owned, (layer) => {
      const expected = statedTensor(files, `wT/${layer}`);
      if (expected === undefined) throw expectedError(`wT/${layer}`, "a tensor", expected);
      const place = { layer, quantity: "final weight" };
      return compare(place, expected, weightOf(pipeline, layer), WEIGHT_TOLERANCE);
    }) ??
    removalDifference(files, model, trained(tensors, pipeline), backend, WEIGHT_TOLERANCE)
  );
}

/** Returns the tensors with the weights at the end of a run. */
function trained(tensors: Tensors, { layers }: Pipeline): Tensors {
  const weights = layers
    .filter(({ shape }) => shape.length > 0)
    .map(({ name, shape, data }) => [`${name}.weight`, { shape, data }] as const);
  return new Map([...tensors, ...weights]);
}
