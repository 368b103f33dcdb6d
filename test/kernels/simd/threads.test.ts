import { afterAll, describe, expect, it, vi } from "vitest";
import {
  type Backend,
  createBackend,
  createThreadedBackend,
  type ThreadedBackend,
} from "../../../src/kernels/backend.ts";
import type { Int8Weight } from "../../../src/kernels/int8.ts";
import { wasmPruningKernels } from "../../../src/kernels/simd/pruning.ts";
import { startWebThread } from "../../../src/kernels/simd/threads.ts";
import type { DropoutKey, Kernels, KernelVariant } from "../../../src/kernels/table.ts";
import { createNodeBackend } from "../../../src/node/threaded-backend.ts";
import { plainKernels } from "../../../src/prune/plain-kernels.ts";
import { execute, randomFloats, VARIANT_NAMES } from "../subjects.ts";

const KEY: DropoutKey = { seedLow: 7, seedHigh: -1, step: 3, operation: 1 };
const ADAMW = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.1,
  c1: 0.1,
  c2: 0.001,
};

/** Large enough for every operation to be cut into parts, and of no even number of them. */
const ROWS = 517;
const COLUMNS = 523;
const SIZE = ROWS * COLUMNS;

interface Operands {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly c: Float32Array;
  readonly d: Float32Array;
  /** Not negative. */
  readonly e: Float32Array;
  readonly f: Float32Array;
  readonly ids: Int32Array;
}

/** The same memory as integers. */
function integersOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}

type Operation = (kernels: Kernels, operands: Operands) => void;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  "product nn": (k, { a, b, c }) =>
    k.gemm("nn", ROWS, COLUMNS, 500, a, 0, 500, b, 0, COLUMNS, c, 0, COLUMNS, true),
  "product nt": (k, { a, b, c }) =>
    k.gemm("nt", ROWS, COLUMNS, 500, a, 0, 500, b, 0, 500, c, 0, COLUMNS, false),
  "product nt of few columns": (k, { a, b, c }) =>
    k.gemm("nt", ROWS, 40, 500, a, 0, 500, b, 0, 500, c, 0, 40, false),
  "product tn by columns": (k, { a, b, c }) =>
    k.gemm("tn", 500, COLUMNS, ROWS, a, 0, 500, b, 0, COLUMNS, c, 0, COLUMNS, true),
  "product tn by rows": (k, { a, b, c }) =>
    k.gemm("tn", COLUMNS, 300, ROWS, a, 0, COLUMNS, b, 0, 300, c, 0, 300, true),
  "products of attention": (k, { a, b, c }) =>
    k.independently(() => {
      for (let start = 0; start + 64 * 64 <= SIZE; start += 64 * 64)
        k.gemm("nt", 64, 64, 64, a, start, 64, b, start, 64, c, start, 64, false);
    }),
  "more calls than the queue holds": (k, { a, b, c }) =>
    k.independently(() => {
      for (let i = 0; i < 2500; i++)
        k.add(a.subarray(i, i + 1), b.subarray(i, i + 1), c.subarray(i, i + 1));
    }),
  nested: (k, { a, b, c, d }) =>
    k.independently(() => {
      k.independently(() => k.scale(a, 3, c));
      k.multiply(a, b, d);
    }),
  add: (k, { a, b, c }) => k.add(a, b, c),
  multiply: (k, { a, b, c }) => k.multiply(a, b, c),
  scale: (k, { a, c }) => k.scale(a, 1.7, c),
  addScaled: (k, { a, c }) => k.addScaled(a, 1.7, c),
  addScaledDifference: (k, { a, b, c }) => k.addScaledDifference(a, b, 0.3, c),
  addBias: (k, { a, c }) => k.addBias(c, a, ROWS, COLUMNS),
  addColumnSums: (k, { a, c }) => k.addColumnSums(a, c, ROWS, COLUMNS),
  geluForward: (k, { a, c }) => k.geluForward(a, c),
  geluBackward: (k, { a, b, c }) => k.geluBackward(a, b, c),
  geluNewForward: (k, { a, c }) => k.geluNewForward(a, c),
  geluNewBackward: (k, { a, b, c }) => k.geluNewBackward(a, b, c),
  siluForward: (k, { a, c }) => k.siluForward(a, c),
  siluBackward: (k, { a, b, c }) => k.siluBackward(a, b, c),
  tanhForward: (k, { a, c }) => k.tanhForward(a, c),
  tanhBackward: (k, { a, b, c }) => k.tanhBackward(a, b, c),
  reluForward: (k, { a, c }) => k.reluForward(a, c),
  reluBackward: (k, { a, b, c }) => k.reluBackward(a, b, c),
  attentionSoftmaxForward: (k, { a, b, c }) =>
    k.attentionSoftmaxForward(a, b, 0.25, c, 128, 7, 2000, 128),
  attentionSoftmaxBackward: (k, { a, b, c }) =>
    k.attentionSoftmaxBackward(a, b, 0.25, c, 0, ROWS, COLUMNS),
  layerNormForward: (k, { a, b, c, d, e, f }) =>
    k.layerNormForward(a, b, e, f, 1e-5, c, d, e.subarray(COLUMNS), ROWS, COLUMNS),
  layerNormBackward: (k, { a, b, c, d, e }) =>
    k.layerNormBackward(a, b, e, c, a, d, d.subarray(COLUMNS), ROWS, COLUMNS),
  dropout: (k, { a, c }) => k.dropout(a, c, 0, ROWS, COLUMNS, 0, 544, 0.1, KEY, 5),
  gatherRows: (k, { a, c, ids }) => k.gatherRows(a, ids, c, COLUMNS, false),
  scatterAddRows: (k, { a, c, ids }) => k.scatterAddRows(a, ids, c, COLUMNS),
  gatherColumns: (k, { a, c, ids }) =>
    k.gatherColumns(a, ids.subarray(0, 32).fill(7), c, ROWS, COLUMNS),
  scatterColumns: (k, { a, c, ids }) =>
    k.scatterColumns(a, ids.subarray(0, 32).fill(7), c, ROWS, COLUMNS),
  int8Quantize: (k, { a, c, d, e }) => {
    const [bytes, zeros] = [integersOf(c), integersOf(d)];
    k.int8Quantize(a, { bytes, scales: e, zeros }, ROWS, 500);
  },
  int8Forward: (k, { a, b, c, d, e, f }) => {
    const [bytes, zeros, none] = [integersOf(c), integersOf(d), integersOf(b).subarray(0, 0)];
    const rows = { bytes, scales: e, zeros };
    k.int8Quantize(a, rows, ROWS, 500);
    const weight: Int8Weight = {
      outputs: 62,
      inputs: 500,
      form: { kind: "dense" },
      starts: none,
      columns: none,
      values: integersOf(b),
      negatedSums: integersOf(b),
      scales: e,
    };
    k.int8Forward(rows, weight, b, f, ROWS);
  },
  adamwTorch: (k, { a, b, c, e }) => k.adamwTorch(a, b, c, e, ADAMW),
  adamwTransformers: (k, { a, b, c, e }) => k.adamwTransformers(a, b, c, e, ADAMW),
};

const OPERANDS: Operands = {
  a: randomFloats(1, SIZE),
  b: randomFloats(2, SIZE),
  c: randomFloats(3, SIZE),
  d: randomFloats(4, SIZE),
  e: randomFloats(5, SIZE, 0, 1),
  f: randomFloats(6, SIZE),
  ids: Int32Array.from({ length: ROWS }, (_, i) => (i * 7919) % ROWS),
};

function bytesOf(operands: object): readonly Uint8Array[] {
  return Object.values(operands as Readonly<Record<string, Float32Array | Int32Array>>).map(
    ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
  );
}

const started: ThreadedBackend[] = [];
afterAll(() => {
  for (const backend of started) backend.stop();
});

async function start(threads: number, variant: KernelVariant | "auto"): Promise<ThreadedBackend> {
  const backend = await createNodeBackend({ threads, variant });
  started.push(backend);
  return backend;
}

const COMPILED = VARIANT_NAMES.filter((name) => name !== "scalar");

describe.each(COMPILED)("kernels on several threads: %s", async (variant) => {
  const alone: Backend = createBackend({ variant });
  const teams = [await start(2, variant), await start(3, variant)];

  it.each(Object.entries(OPERATIONS))("%s gives the same bytes", (_, operation) => {
    const run = (backend: Backend) =>
      bytesOf(execute(backend, { ...OPERANDS }, (k, operands) => operation(k, operands)));
    const expected = run(alone);
    for (const team of teams)
      for (const [i, bytes] of run(team).entries())
        expect(Buffer.compare(bytes, expected[i]), `array ${i}`).toBe(0);
  });
});

describe("a backend of several threads", () => {
  it("has one where one is asked for, or memory cannot be shared", async () => {
    const never = () => Promise.reject(new Error("expected none to be started"));
    const one = await createThreadedBackend({ threads: 1, startThread: never });
    const scalar = await createThreadedBackend({
      threads: 4,
      variant: "scalar",
      startThread: never,
    });
    vi.stubGlobal("SharedArrayBuffer", undefined);
    const unshared = await createThreadedBackend({ threads: 4, startThread: never });
    vi.unstubAllGlobals();
    for (const backend of [one, scalar, unshared]) {
      expect(backend.threads).toBe(1);
      backend.stop();
    }
    expect(wasmPruningKernels(one, plainKernels)).not.toBe(plainKernels);
  });

  it("refuses numbers of threads that are none, and passes on why a thread did not start", async () => {
    await expect(createNodeBackend({ threads: 0 })).rejects.toThrow(/^threads: expected/);
    await expect(createNodeBackend({ threads: 1.5 })).rejects.toThrow(/^threads: expected/);
    await expect(createNodeBackend({ threads: 1000 })).rejects.toThrow(/^threads: expected/);
    const terminate = vi.fn();
    let calls = 0;
    const startThread = () =>
      calls++ === 0 ? Promise.resolve({ terminate }) : Promise.reject(new Error("no room"));
    await expect(createThreadedBackend({ threads: 3, startThread })).rejects.toThrow("no room");
    expect(terminate).toHaveBeenCalledOnce();
  });

  it("names the URL of a Web Worker's script that does not load", async () => {
    type Listener = (event: unknown) => void;
    const terminate = vi.fn();
    const failing = (event: unknown) =>
      class {
        addEventListener(type: string, listener: Listener): void {
          if (type === "error") setTimeout(() => listener(event), 0);
        }
        postMessage(): void {}
        terminate = terminate;
      };
    const start = async (event: unknown) => {
      const Own = failing(event);
      vi.stubGlobal("Worker", Own);
      const current = () =>
        (globalThis as unknown as { Worker: new (url: string) => InstanceType<typeof Own> }).Worker;
      const startThread = startWebThread(() => new (current())("/no/worker.js"));
      const result = createThreadedBackend({ threads: 2, variant: "simd", startThread });
      expect(current()).toBe(Own);
      await expect(result).rejects.toBeInstanceOf(Error);
      await expect(result).rejects.toMatchObject({ cause: event });
      return result.catch((error: Error) => error.message);
    };
    expect(await start({})).toBe(
      "kernels: expected the script espalier/worker at /no/worker.js, got: nothing that loads",
    );
    expect(await start({ message: "a is not defined" })).toMatch(
      /worker.js, got: a is not defined$/,
    );
    vi.unstubAllGlobals();
    const Own = failing({});
    const startThread = startWebThread(() => new Own());
    await expect(createThreadedBackend({ threads: 2, startThread })).rejects.toThrow(
      /^kernels: expected the script espalier\/worker, got: nothing that loads$/,
    );
    expect(terminate).toHaveBeenCalledTimes(3);
    const nothing = startWebThread(() => undefined as never);
    await expect(createThreadedBackend({ threads: 2, startThread: nothing })).rejects.toThrow(
      /^the result of createWorker: expected an object, postMessage, addEventListener, got undefined$/,
    );
  });

  it("forgets what a body has asked for that throws", async () => {
    const { kernels, memory } = await start(2, "simd");
    const x = memory.allocate(4);
    const fail = () =>
      kernels.independently(() => {
        kernels.addScaled(memory.float32(x), 1, memory.float32(x));
        kernels.add(memory.float32(x), new Float32Array(4), memory.float32(x));
      });
    memory.float32(x).fill(1);
    expect(fail).toThrow(RangeError);
    kernels.independently(() => kernels.scale(memory.float32(x), 5, memory.float32(x)));
    expect(memory.float32(x).join()).toBe("5,5,5,5");
  });

  it("works on after its memory has grown, and after its threads have slept", async () => {
    const { kernels, memory } = await start(2, "simd");
    const x = memory.allocate(1 << 20);
    memory.float32(x).fill(1);
    memory.allocate(memory.usage().reserved / 4);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      kernels.scale(memory.float32(x), 2, memory.float32(x));
    }
    expect(memory.float32(x).every((value) => value === 2 ** 20)).toBe(true);
  });

  it("refuses views of before its memory grew", async () => {
    const { kernels, memory } = await start(2, "simd");
    const x = memory.float32(memory.allocate(4));
    memory.allocate(memory.usage().reserved / 4);
    expect(() => kernels.scale(x, 2, x)).toThrow(/views die when it grows/);
  });
});
