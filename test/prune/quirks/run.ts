/** Small models that a reader can check by hand, and whole runs over them. */
import {
  initialisePruning,
  type LayerKind,
  type LayerRecord,
  onAfterOptimizerStep,
  onBeforeOptimizerStep,
  onStepBegin,
  type Profile,
  type PrunedLayer,
  type PrunerState,
  type PruningResult,
  type PruningState,
  parsePruningConfigOrThrow,
} from "../../../src/index.ts";

/** A linear layer, one list per output. */
export function matrix(name: string, ...rows: readonly (readonly number[])[]): LayerRecord {
  return layer(name, "linear", [rows.length, rows[0]?.length ?? 0], rows.flat());
}

/** A layer of any kind, its weight row-major in `shape`. */
export function layer(
  name: string,
  kind: LayerKind,
  shape: readonly number[],
  values: readonly number[],
): LayerRecord {
  return { name, kind, shape, data: Float32Array.from(values) };
}

/** What happens in a run beside pruning. */
export interface RunOptions {
  readonly profile: Profile;
  readonly steps: number;
  /** A step's gradient; default: zeros. */
  readonly gradient?: (layer: LayerRecord, step: number) => readonly number[];
  /** What the optimizer makes of a weight; default: nothing changes. */
  readonly optimizer?: (weight: number, gradient: number) => number;
  /** Default false: the last layer is pruned like the others. */
  readonly excludeHead?: boolean;
}

/** One step of a run. */
export interface Step {
  /** After `onStepBegin`, after `onBeforeOptimizerStep` and after `onAfterOptimizerStep`. */
  readonly begun: PruningState;
  readonly scored: PruningState;
  readonly ended: PruningState;
  /** The layers after `onStepBegin` and at the end. */
  readonly begunLayers: readonly LayerRecord[];
  readonly layers: readonly LayerRecord[];
}

function takeOver(layers: readonly LayerRecord[], { weights }: PruningResult): LayerRecord[] {
  return layers.map((one) => ({ ...one, data: weights.get(one.name) ?? one.data }));
}

/** Runs a configuration in INC's keys from step 0 on. */
export function run(
  keys: Readonly<Record<string, unknown>>,
  start: readonly LayerRecord[],
  options: RunOptions,
): Step[] {
  const { profile, steps, excludeHead = false, optimizer = (weight) => weight } = options;
  const gradient = options.gradient ?? (({ data }) => Array.from(data, () => 0));
  const config = parsePruningConfigOrThrow(keys, { profile });
  let state = initialisePruning(config, start, { profile, excludeHead });
  let layers = start;
  return Array.from({ length: steps }, (_, step): Step => {
    const begin = onStepBegin(state, step, layers);
    const begunLayers = takeOver(layers, begin);
    layers = begunLayers.map((one) => ({
      ...one,
      gradient: Float32Array.from(gradient(one, step)),
    }));
    const scored = onBeforeOptimizerStep(begin.state, layers).state;
    layers = layers.map((one) => ({
      ...one,
      data: one.data.map((weight, i) => optimizer(weight, one.gradient?.[i] ?? 0)),
    }));
    const end = onAfterOptimizerStep(scored, layers);
    state = end.state;
    layers = takeOver(layers, end);
    return { begun: begin.state, scored, ended: end.state, begunLayers, layers };
  });
}

/** The only pruner, or the one of that index. */
export function prunerOf(state: PruningState | undefined, index: number = 0): PrunerState {
  const pruner = state?.pruners[index];
  if (pruner === undefined) throw new Error(`expected a pruner ${index}`);
  return pruner;
}

/** A pruner's layer by name. */
export function layerOf(state: PruningState | undefined, name: string): PrunedLayer {
  const found = prunerOf(state).layers.find((one) => one.name === name);
  if (found === undefined) throw new Error(`expected a layer ${name}`);
  return found;
}

/** A mask as text, such as `0110`. */
export function bits(mask: Uint8Array | null | undefined): string {
  return mask?.join("") ?? "none";
}

/** Masks of a pruner's layers, by its order. */
export function masksOf(state: PruningState | undefined): string[] {
  return prunerOf(state).layers.map(({ mask }) => bits(mask));
}

/** Zeros in each layer's weight, in module order. */
export function zerosOf(layers: readonly LayerRecord[] | undefined): number[] {
  return (layers ?? []).map(({ data }) => data.filter((weight) => weight === 0).length);
}
