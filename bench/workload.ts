/** Training sessions of BERT classifiers on seeded batches, for benchmarks of whole steps. */
import { backward } from "../src/autograd/backward.ts";
import { crossEntropy } from "../src/autograd/label-losses.ts";
import { createTape, releaseTape } from "../src/autograd/tape.ts";
import { nextUnit, openStream } from "../src/core/random.ts";
import { MODEL_CONFIGS } from "../src/experiment/model-configs.ts";
import type { KernelVariant } from "../src/kernels/table.ts";
import { type ModelConfig, parseModelConfigOrThrow } from "../src/model/config.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import { createNodeBackend } from "../src/node/threaded-backend.ts";
import { zeroGradients } from "../src/tensor/parameter.ts";
import { padExamples } from "../src/train/examples.ts";
import { createSession, releaseSession } from "../src/train/session.ts";
import { trainingSettings } from "../src/train/settings.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import type { Subject } from "./benchmark.ts";

/** The timed work: a training step, only its gradients, or logits without dropout. */
export type PassKind = "step" | "gradients" | "forward";
/** Every kind of work. */
export const PASS_KINDS: readonly PassKind[] = ["step", "gradients", "forward"];

const SEED = 1;
/** Width of a head, as in BERT. */
const HEAD = 64;

/** A model, and the lengths of the examples of a batch. */
export interface Workload {
  readonly config: ModelConfig;
  readonly lengths: readonly number[];
}

/** BERT-mini, or a model with other extents. Heads and inner width follow the hidden width. */
export function bertMini(changes: { layers?: number; hidden?: number } = {}): ModelConfig {
  const { layers = 4, hidden = 256 } = changes;
  return parseModelConfigOrThrow({
    ...MODEL_CONFIGS["bert-mini"],
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: Math.max(1, hidden / HEAD),
    intermediate_size: 4 * hidden,
  });
}

/** A full batch: examples of the same length. */
export function fullBatch(examples: number, length: number): readonly number[] {
  return Array.from({ length: examples }, () => length);
}

/** Lengths of 3 to 40 tokens, 13 on average, as in SST-2. */
export function sentenceLengths(count: number, stream: number = 1): readonly number[] {
  const numbers = openStream(SEED, stream);
  return Array.from({ length: count }, () => 3 + Math.floor(38 * nextUnit(numbers) ** 2.7));
}

/** A padded batch of random tokens of these lengths. */
export function randomBatch(lengths: readonly number[], vocabulary: number) {
  const stream = openStream(SEED, 2);
  return padExamples(
    lengths.map((length, row) => ({
      inputIds: Array.from({ length }, () => Math.floor(nextUnit(stream) * vocabulary)),
      tokenTypeIds: new Array<number>(length).fill(0),
      label: row % 2,
    })),
  ) as ReturnType<typeof padExamples> & { readonly labels: Int32Array };
}

/** This library as a subject: a training session with dropout 0.1 and AdamW. */
export async function ownSubject(
  variant: KernelVariant,
  threads: number,
  { config, lengths }: Workload,
): Promise<Subject<PassKind>> {
  const backend = await createNodeBackend({ variant, threads });
  const model = sequenceClassifier(config, initialiseParameters(backend, config, SEED));
  const session = createSession(backend, model, trainingSettings({ seed: SEED }));
  const batch = randomBatch(lengths, config.vocabularySize);
  const needs = { padding: "excluded", hiddenStates: false } as const;
  const pass = (training: boolean): void => {
    const tape = createTape(backend, { training, seed: SEED });
    const { logits } = model.forward(tape, batch, needs);
    if (training) backward(tape, crossEntropy(tape, logits, batch.labels));
    releaseTape(tape);
  };
  const work: Readonly<Record<PassKind, () => void>> = {
    step: () => trainStepInto(session, batch),
    gradients: () => pass(true),
    forward: () => pass(false),
  };
  return {
    name: variant,
    threads,
    kinds: PASS_KINDS,
    stop: () => {
      releaseSession(session);
      backend.stop();
    },
    time: (kind) => {
      const start = performance.now();
      work[kind]();
      const time = performance.now() - start;
      // Gradients are zero before and after each step.
      if (kind === "gradients") zeroGradients(backend, model.parameters);
      return time;
    },
  };
}
