/** Time of pruning to 2:4 in plain JavaScript, beside a plain loop over groups of four that writes a mask. */
import { verifyWeight } from "../src/checkpoint/verify.ts";
import { createPruningScratch, onStepBeginInto } from "../src/prune/hooks.ts";
import { initialisePruning } from "../src/prune/initialise.ts";
import type { LayerRecord } from "../src/prune/layer.ts";
import { pruneOnce } from "../src/prune/once.ts";
import { parsePruningConfigOrThrow } from "../src/prune/parse.ts";
import type { LivePruningState } from "../src/prune/state.ts";
import { type Benchmark, type Cell, type Subject, takeTurns } from "./benchmark.ts";
import { ratiosOf, spreadOf } from "./measure.ts";
import { fillNormal } from "./values.ts";

const ROUNDS = 15;
const WARM_UP = 3;
const SIDE = 2048;

/** The mask that keeps the two greatest of each four neighbours. */
function plainLoop(values: Float32Array): Uint8Array {
  const mask = new Uint8Array(values.length);
  for (let start = 0; start < values.length; start += 4) {
    let first = start;
    let second = start;
    let lowest = Math.abs(values[start]);
    let next = Infinity;
    for (let i = start + 1; i < start + 4; i++) {
      const magnitude = Math.abs(values[i]);
      if (magnitude < lowest) {
        next = lowest;
        second = first;
        lowest = magnitude;
        first = i;
      } else if (magnitude < next) {
        next = magnitude;
        second = i;
      }
    }
    for (let i = start; i < start + 4; i++) mask[i] = 1;
    mask[first] = 0;
    mask[second] = 0;
  }
  return mask;
}

function subjectOf(name: string, work: () => () => unknown): Subject<"prune"> {
  const time = (): number => {
    const run = work();
    const start = performance.now();
    run();
    return performance.now() - start;
  };
  return { name, threads: 1, kinds: ["prune"], time, stop: () => undefined };
}

function subjectsOf(values: Float32Array): readonly Subject<"prune">[] {
  const recordOf = (data: Float32Array): LayerRecord => ({
    ...{ name: "fc", kind: "linear", shape: [SIDE, SIDE], data },
  });
  const config = parsePruningConfigOrThrow({
    ...{ pattern: "2:4", pruning_type: "magnitude", target_sparsity: 0.5 },
    ...{ start_step: 0, end_step: 0 },
  });
  const step = () => {
    const layers = [recordOf(values.slice())];
    const state = initialisePruning(config, layers, { profile: "strict", excludeHead: false });
    const scratch = createPruningScratch(state);
    return () => onStepBeginInto(state as LivePruningState, 0, layers, scratch);
  };
  const options = { pattern: "2:4", targetSparsity: 0.5, excludeHead: false } as const;
  const pruned = pruneOnce([recordOf(values)], options).weights.get("fc") ?? values;
  return [
    subjectOf("plain loop", () => () => plainLoop(values)),
    subjectOf("onStepBeginInto", step),
    subjectOf("pruneOnce", () => () => pruneOnce([recordOf(values)], options)),
    subjectOf("verifyWeight", () => () => verifyWeight(recordOf(pruned), { pattern: "2:4" })),
  ];
}

/** Pruning 4 million weights to 2:4 in plain JavaScript. */
export const groupsBenchmark: Benchmark = {
  run: async (context) => {
    const values = new Float32Array(SIDE * SIDE);
    fillNormal(values, 0.02, 1);
    const subjects = subjectsOf(values);
    const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
    const timesOf = (i: number): readonly number[] => times[i]?.get("prune") ?? [];
    const rows = subjects.map(({ name }, i): readonly Cell[] => [
      ...[name, spreadOf(timesOf(i)), ratiosOf(timesOf(i), timesOf(0))],
    ]);
    const columns = [
      { name: "subject" },
      ...[
        { name: "ms", digits: 1 },
        { name: "of the plain loop's time", digits: 2 },
      ],
    ];
    return { tables: [{ title: "4 million weights to 2:4", columns, rows }], plots: [] };
  },
};
