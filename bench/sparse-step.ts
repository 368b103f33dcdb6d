/**
 * The training step of BERT-mini with 90 % of its encoder pruned in 4x1 blocks, after the last prune step, compared with
 * the dense step.
 */
import type { KernelVariant } from "../src/kernels/table.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import { createNodeBackend } from "../src/node/threaded-backend.ts";
import type { Profile } from "../src/prune/config.ts";
import { createSession, releaseSession } from "../src/train/session.ts";
import { trainingSettings } from "../src/train/settings.ts";
import type { SparseProductsSetting } from "../src/train/sparse-switch.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import {
  type BenchContext,
  type Benchmark,
  type Cell,
  type Subject,
  takeTurns,
} from "./benchmark.ts";
import { ratiosOf, spreadOf, threadsText } from "./measure.ts";
import { bertMini, fullBatch, randomBatch } from "./workload.ts";

const ROUNDS = 21;
const SEED = 1;
/** Steps up to the last prune step, and one more for the first updates of the optimizer. */
const WARM_UP = 6;

/** Dense weights, or pruned weights with dense or sparse products. */
const SUBJECTS: readonly ("dense" | SparseProductsSetting)[] = ["dense", "off", "auto"];

const PRUNING = {
  pattern: "4x1",
  pruning_type: "snip_momentum",
  target_sparsity: 0.9,
  end_step: 3,
  excluded_op_names: ["pooler", "classifier"],
};

async function subjectOf(
  what: "dense" | SparseProductsSetting,
  variant: KernelVariant,
  threads: number,
  profile: Profile,
): Promise<Subject<"step">> {
  const backend = await createNodeBackend({ variant, threads });
  const config = bertMini();
  const model = sequenceClassifier(config, initialiseParameters(backend, config, SEED));
  const settings = trainingSettings({
    profile,
    optimizer: { flavour: "transformers", learningRate: 4.5e-4 },
    pruning: what === "dense" ? null : PRUNING,
    sparseProducts: what === "auto" ? "auto" : "off",
  });
  const session = createSession(backend, model, settings);
  const batch = randomBatch(fullBatch(16, 64), config.vocabularySize);
  const time = (): number => {
    const start = performance.now();
    trainStepInto(session, batch);
    return performance.now() - start;
  };
  const name = what === "dense" ? what : `pruned, ${what}`;
  const stop = (): void => {
    releaseSession(session);
    backend.stop();
  };
  return { name, threads, kinds: ["step"], time, stop };
}

async function measure(
  context: BenchContext,
  variant: KernelVariant,
  threads: number,
  profile: Profile,
): Promise<readonly (readonly Cell[])[]> {
  const subjects: Subject<"step">[] = [];
  for (const what of SUBJECTS) subjects.push(await subjectOf(what, variant, threads, profile));
  try {
    const times = await takeTurns(context, subjects, { rounds: ROUNDS, warmUp: WARM_UP });
    const steps = times.map((one) => one.get("step") ?? []);
    return subjects.map(({ name }, i): readonly Cell[] => {
      const share = ratiosOf(steps[i], steps[0]);
      return [variant, threads, profile, name, spreadOf(steps[i]), share];
    });
  } finally {
    for (const { stop } of subjects) stop();
  }
}

/** The training step of a model that is 90 % pruned, compared with the dense one. */
export const sparseStepBenchmark: Benchmark = {
  run: async (context) => {
    const rows: (readonly Cell[])[] = [];
    for (const variant of context.variants)
      for (const threads of context.threads)
        for (const profile of ["inc", "strict"] as const) {
          context.say(`${variant}, ${threadsText(threads)}, ${profile}`);
          rows.push(...(await measure(context, variant, threads, profile)));
        }
    const columns = [
      ...[{ name: "kernels" }, { name: "threads" }, { name: "profile" }, { name: "step" }],
      ...[
        { name: "ms", digits: 1 },
        { name: "share of the dense step", digits: 2 },
      ],
    ];
    const title = "Training step of BERT-mini, 16 x 64 tokens, 90 % of its 4x1 blocks pruned";
    return { tables: [{ title, columns, rows }], plots: [] };
  },
};
