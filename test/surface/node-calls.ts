/** Valid arguments of the functions of `espalier/node`, which work on files. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CheckpointSource } from "../../src/checkpoint/open.ts";

type Entries = Readonly<
  Record<string, Readonly<Record<string, (...args: readonly never[]) => unknown>>>
>;

/** A source of bytes in memory. */
export function byteSource(bytes: Uint8Array): CheckpointSource {
  return {
    name: "a.safetensors",
    size: bytes.length,
    read: (begin: number, end: number) => bytes.slice(begin, end),
    close: () => undefined,
  };
}

/**
 * Returns the valid arguments by the names of functions and parameters. `of` makes a value that several functions take,
 * and `config` is the content of config.json.
 */
export function nodeCalls(
  { nn, io, checkpoint }: Entries,
  of: (name: string) => never,
  config: object,
): Readonly<Record<string, Readonly<Record<string, () => unknown>>>> {
  const root = mkdtempSync(join(tmpdir(), "espalier-arguments-"));
  const fresh = (name: string): string => join(mkdtempSync(join(root, "d")), name);
  const weights = fresh("a.safetensors");
  writeFileSync(weights, of("bytes"));
  const checkpointOf = (bytes: Uint8Array): unknown => {
    const opened = checkpoint?.openCheckpointFile?.(byteSource(bytes) as never);
    return (opened as { readonly right: unknown }).right;
  };
  const copy = () => ({ checkpoint: checkpointOf(of("bytes")), from: weights, to: fresh("copy") });
  const recipe = () => {
    const found = nn?.findRecipe?.("demo-dense" as never) as { readonly dense: object };
    return { ...found, dense: { ...found.dense, epochs: 0 } };
  };
  /** A directory with a model whose weights are random. */
  const model = (): string => {
    const directory = fresh("model");
    const parameters: ReadonlyMap<string, { readonly value: Values }> = of("parameters");
    const tensors = [...parameters].map(
      ([
        name,
        {
          value: { shape, data },
        },
      ]) => [name, io?.tensorFromFloat32?.("F32" as never, shape as never, data.slice() as never)],
    );
    const written = { config, tensors: new Map(tensors as []), tokenizer: of("tokenizer") };
    const files = io?.writeHuggingFaceDirectory?.(written as never) as ReadonlyMap<
      string,
      Uint8Array
    >;
    mkdirSync(directory);
    for (const [name, bytes] of files) writeFileSync(join(directory, name), bytes);
    return directory;
  };
  const saved = model();
  const files = () =>
    readdirSync(saved).map((name) => {
      return { name, bytes: new Uint8Array(readFileSync(join(saved, name))) };
    });
  return {
    copyCheckpoint: {
      options: () => ({
        ...copy(),
        change: (_: unknown, { bytes }: { readonly bytes: Uint8Array }) => bytes,
      }),
    },
    packCheckpoint: { options: copy },
    shrinkModel: {
      options: () => {
        const texts = fresh("texts.txt");
        writeFileSync(texts, "a\n");
        return { from: saved, to: fresh("small"), vocabularyFrom: [texts] };
      },
    },
    unpackCheckpoint: { options: copy },
    pruneCheckpoint: {
      options: () => ({
        ...copy(),
        pruners: [checkpoint?.oneShotConfig?.({ pattern: "4x1", targetSparsity: 0.5 } as never)],
        profile: "strict",
        excludeHead: true,
        modules: null,
        gradients: null,
      }),
    },
    fineTuneToDirectory: {
      options: () => ({
        plan: {
          recipes: [recipe()],
          config: of("config"),
          tokenizer: of("tokenizer"),
          trainingRows: [{ text: "a", label: 1 }],
          evaluationRows: [{ text: "b", label: 0 }],
          variant: "scalar",
        },
        seeds: [1],
        directory: fresh("run"),
        title: "a",
        summary: "b",
        threads: 1,
      }),
    },
    openCheckpoint: { path: () => weights },
    openCheckpointOrThrow: { path: () => weights },
    loadModelDirectory: { directory: () => saved },
    readModelDirectory: { directory: () => saved },
    loadClassifier: {
      model: () => saved,
      files,
    },
    evaluateClassifier: { rows: () => [{ text: "a", label: 1 }] },
    fineTuneClassifier: {
      options: () => ({
        rows: ["a", "b", "a", "b"].map((text) => ({ text, label: text })),
        model: files(),
        variant: "scalar",
        threads: 1,
      }),
    },
    loadSparseClassifier: { directory: () => saved, options: () => ({ executions: "dense" }) },
    saveModelDirectory: {
      directory: () => fresh("saved"),
      model: () => ({ config, tensors: new Map(), tokenizer: of("tokenizer") }),
    },
    writeFileAtomically: { path: () => fresh("file"), content: () => "a" },
    createNodeBackend: { options: () => ({ variant: "scalar", threads: 1 }) },
  };
}

interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
