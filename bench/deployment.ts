/**
 * A pruned classifier beside what people deploy otherwise: times of forward passes of token ids, and from text. Every
 * subject runs in a process of its own on the same threads, and its logits are checked before it is timed.
 */
import type { Benchmark } from "./benchmark.ts";
import { compareSubjects } from "./deployed-comparison.ts";
import { BATCHES, TEXT_BATCHES, withDeployedModels } from "./deployed-models.ts";
import { ownSubjects, peerSubjectsOf, type SubjectInput } from "./deployed-subjects.ts";

/** Deployed classifiers, compared with other engines. */
export const deploymentBenchmark: Benchmark = {
  run: (context) =>
    withDeployedModels(context, async (models) => {
      const subjects = (input: SubjectInput) => (threads: number) => [
        ...context.variants.flatMap((variant) => ownSubjects(models, variant, threads, input)),
        ...peerSubjectsOf(models, threads, input),
      ];
      const ids = await compareSubjects(context, models, {
        title: "a forward pass from token ids",
        subjects: subjects("ids"),
        compared: ["onnxruntime-web", "onnxruntime-node", "onnxruntime", "DeepSparse"],
        batches: Object.keys(BATCHES),
      });
      const text = await compareSubjects(context, models, {
        title: "a forward pass from text",
        subjects: subjects("text"),
        compared: ["transformers.js"],
        batches: TEXT_BATCHES,
      });
      return { tables: [...ids, ...text], plots: [] };
    }),
};
