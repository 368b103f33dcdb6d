/**
 * A training step of BERT-mini through the public API, its gradients alone, and a forward pass, on every kind of
 * kernels that runs here, on one thread and on several, side by side with PyTorch where that is installed.
 *
 * Usage: npx tsx bench/training-step.ts [16x64|16x128|sst2 ...] [--threads 1,2] [--rounds 11] [--json]
 * Engines get their flags from here: relaxed SIMD on Node 20, revectorization on Node 24 and later.
 */
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import v8 from "node:v8";
import { backward } from "../src/autograd/backward.ts";
import { crossEntropy } from "../src/autograd/losses.ts";
import { createTape, releaseTape } from "../src/autograd/tape.ts";
import { engineFlags, type FlaggedVariant } from "../src/cli/engine.ts";
import { nextUnit, openStream } from "../src/core/random.ts";
import { availableVariants } from "../src/kernels/backend.ts";
import type { KernelVariant } from "../src/kernels/table.ts";
import { parseModelConfigOrThrow } from "../src/model/config.ts";
import { initialiseParameters } from "../src/model/parameters.ts";
import { createNodeBackend } from "../src/node/threaded-backend.ts";
import { zeroGradients } from "../src/tensor/parameter.ts";
import { padExamples } from "../src/train/examples.ts";
import { MODEL_CONFIGS } from "../src/train/model-configs.ts";
import { createSession } from "../src/train/session.ts";
import { trainingSettings } from "../src/train/settings.ts";
import { trainStepInto } from "../src/train/step.ts";
import { sequenceClassifier } from "../src/train/trainable-model.ts";
import { formatSpread, formatTable, ratiosOf, type Spread, spreadOf } from "./measure.ts";
import { startPeer, UNTRIMMED_HEAP } from "./peers/peer.ts";

const WARM_UP = 3;
const SEED = 1;
const KINDS = ["step", "gradients", "forward"] as const;
type Kind = (typeof KINDS)[number];

/** Lengths of the examples of a batch. */
const WORKLOADS: Readonly<Record<string, readonly number[]>> = {
  "16x64": Array.from({ length: 16 }, () => 64),
  "16x128": Array.from({ length: 16 }, () => 128),
  // 3 to 40 tokens, about 13 on average, as SST-2's sentences have.
  sst2: sentenceLengths(32),
};

function sentenceLengths(count: number): readonly number[] {
  const stream = openStream(SEED, 1);
  return Array.from({ length: count }, () => 3 + Math.floor(38 * nextUnit(stream) ** 2.7));
}

/** Who does the work: its name, and a way to time one run of a kind. */
interface Subject {
  readonly name: string;
  readonly threads: number;
  readonly time: (kind: Kind) => Promise<number>;
  readonly stop: () => void;
}

async function ownSubject(
  variant: KernelVariant,
  threads: number,
  lengths: readonly number[],
): Promise<Subject> {
  const backend = await createNodeBackend({ variant, threads });
  const config = parseModelConfigOrThrow(MODEL_CONFIGS["bert-mini"]);
  const model = sequenceClassifier(config, initialiseParameters(backend, config, SEED));
  const session = createSession(backend, model, trainingSettings({ seed: SEED }));
  const stream = openStream(SEED, 2);
  const batch = padExamples(
    lengths.map((length, row) => ({
      inputIds: Array.from({ length }, () => Math.floor(nextUnit(stream) * config.vocabularySize)),
      tokenTypeIds: new Array<number>(length).fill(0),
      label: row % 2,
    })),
  ) as ReturnType<typeof padExamples> & { readonly labels: Int32Array };
  const needs = { padding: "excluded", hiddenStates: false } as const;
  const pass = (training: boolean): void => {
    const tape = createTape(backend, { training, seed: SEED });
    const { logits } = model.forward(tape, batch, needs);
    if (training) backward(tape, crossEntropy(tape, logits, batch.labels));
    releaseTape(tape);
  };
  const work: Readonly<Record<Kind, () => void>> = {
    step: () => trainStepInto(session, batch),
    gradients: () => pass(true),
    forward: () => pass(false),
  };
  return {
    name: variant,
    threads,
    stop: backend.stop,
    time: async (kind) => {
      const start = performance.now();
      work[kind]();
      const time = performance.now() - start;
      // Steps begin and end with gradients that are zero.
      if (kind === "gradients") zeroGradients(backend, model.parameters);
      return time;
    },
  };
}

async function peerSubject(
  threads: number,
  lengths: readonly number[],
): Promise<Subject | undefined> {
  const config = parseModelConfigOrThrow(MODEL_CONFIGS["bert-mini"]);
  const request = { threads, lengths, vocabulary: config.vocabularySize };
  const peer = await startPeer("training_step.py", request, UNTRIMMED_HEAP);
  return peer && { name: peer.name, threads, time: (kind) => peer.time(kind), stop: peer.stop };
}

interface Measurement {
  readonly workload: string;
  readonly subject: string;
  readonly threads: number;
  readonly kind: Kind;
  /** Milliseconds. */
  readonly time: Spread;
  /** The peer's time over this one, on as many threads; above 1 is faster than the peer. */
  readonly speed: Spread | null;
}

async function measure(
  workload: string,
  variants: readonly KernelVariant[],
  threadCounts: readonly number[],
  rounds: number,
): Promise<Measurement[]> {
  const lengths = WORKLOADS[workload] ?? [];
  const subjects: Subject[] = [];
  for (const threads of threadCounts) {
    for (const variant of variants) subjects.push(await ownSubject(variant, threads, lengths));
    const peer = await peerSubject(threads, lengths);
    if (peer !== undefined) subjects.push(peer);
  }
  const times = new Map(subjects.map((one) => [one, new Map<Kind, number[]>()]));
  for (let round = -WARM_UP; round < rounds; round++)
    for (const [subject, byKind] of times)
      for (const kind of KINDS) {
        const time = await subject.time(kind);
        if (round >= 0) byKind.set(kind, [...(byKind.get(kind) ?? []), time]);
      }
  for (const subject of subjects) subject.stop();
  const peerOf = (threads: number) =>
    subjects.find((one) => one.threads === threads && one.name.startsWith("torch"));
  return subjects.flatMap((subject) => {
    const peer = peerOf(subject.threads);
    return KINDS.map((kind): Measurement => {
      const own = times.get(subject)?.get(kind) ?? [];
      const others = peer && times.get(peer)?.get(kind);
      const speed = others === undefined || peer === subject ? null : ratiosOf(others, own);
      const { name, threads } = subject;
      return { workload, subject: name, threads, kind, time: spreadOf(own), speed };
    });
  });
}

/** The variants that are worth running on this engine, which gets the flags that they need. */
function variantsHere(): readonly KernelVariant[] {
  const flagged: readonly FlaggedVariant[] = ["revectorized", "fma"];
  const usable = flagged.filter((variant) => {
    const flags = engineFlags(process.versions.node, variant);
    for (const flag of flags ?? []) v8.setFlagsFromString(flag);
    return flags !== undefined;
  });
  return [...usable, ...availableVariants().filter((name) => name === "simd")];
}

function machine(): string {
  const memory = /MemTotal:\s*(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, ${Math.round(Number(memory) / 2 ** 20)} GiB`;
}

async function main(): Promise<void> {
  const words = process.argv.slice(2);
  const after = (name: string, otherwise: string): string => {
    const at = words.indexOf(name);
    return at < 0 ? otherwise : (words[at + 1] ?? otherwise);
  };
  const threads = after("--threads", "1,2").split(",").map(Number);
  const rounds = Number(after("--rounds", "11"));
  const asked = Object.keys(WORKLOADS).filter((name) => words.includes(name));
  const workloads = asked.length === 0 ? Object.keys(WORKLOADS) : asked;
  const variants = variantsHere();
  const results: Measurement[] = [];
  for (const workload of workloads)
    results.push(...(await measure(workload, variants, threads, rounds)));
  if (words.includes("--json")) {
    console.log(JSON.stringify({ node: process.version, machine: machine(), rounds, results }));
    return;
  }
  console.log(
    `Node ${process.version}, ${machine()}, ${rounds} rounds: median (lowest to highest)`,
  );
  console.log(
    formatTable([
      ["batch", "threads", "subject", "what", "ms", "speed relative to torch"],
      ...results.map(({ workload, subject, threads: count, kind, time, speed }) => [
        workload,
        String(count),
        subject,
        kind,
        formatSpread(time, 1),
        speed === null ? "" : formatSpread(speed, 2),
      ]),
    ]),
  );
}

await main();
