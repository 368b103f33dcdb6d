/** The options of training: in the address, as a command line, and from the files that the visitor gave. */
import { useQuery } from "./use-query.ts";
import type { GivenFile } from "./worker/protocol.ts";
import { settingOptions } from "./worker/training-options.ts";
import type { OwnRows, TrainingSettings } from "./worker/training-protocol.ts";

/** A number that the recipe decides if the field is empty. */
function numberOrNull(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}

/** The options with a function for each that changes it. */
export function useTrainOptions() {
  const [pattern, setPattern] = useQuery("train", "4x1");
  const [target, setTarget] = useQuery("target", "");
  const [denseEpochs, setDenseEpochs] = useQuery("dense-epochs", "");
  const [epochs, setEpochs] = useQuery("epochs", "");
  const [batch, setBatch] = useQuery("batch", "");
  const [profile, setProfile] = useQuery("profile", "strict");
  const [seed, setSeed] = useQuery("seed", "42");
  const [variant, setVariant] = useQuery("variant", "simd");
  const settings: TrainingSettings = {
    pattern,
    targetSparsity: numberOrNull(target),
    denseEpochs: numberOrNull(denseEpochs),
    epochs: numberOrNull(epochs),
    batchSize: numberOrNull(batch),
    profile: profile === "inc" ? "inc" : "strict",
    seed: Number(seed),
    variant: variant === "fma" ? "fma" : "simd",
  };
  return {
    settings,
    texts: { target, denseEpochs, epochs, batch, seed },
    setPattern,
    setTarget,
    setDenseEpochs,
    setEpochs,
    setBatch,
    setProfile,
    setSeed,
    setVariant,
  };
}

/** The rows and the model that the visitor has given so far. */
export interface TrainingGiven {
  readonly rows: GivenFile | null;
  readonly validationRows: GivenFile | null;
  readonly model: readonly GivenFile[];
}

export const NOTHING_GIVEN: TrainingGiven = { rows: null, validationRows: null, model: [] };

const ROWS = /\.(csv|tsv|jsonl|ndjson|json)(\.gz)?$/i;
const VALIDATION = /valid|dev|eval|test/i;

/** Adds files: the folder of a model if they have a config.json, and otherwise rows for training or validation. */
export function withFiles(given: TrainingGiven, files: readonly GivenFile[]): TrainingGiven {
  if (files.some(({ path }) => path === "config.json")) return { ...given, model: files };
  const rows = files.filter(({ path }) => ROWS.test(path));
  // A file of another kind is refused by the run, which names the kinds that it reads.
  const all = rows.length > 0 ? rows : files;
  const validation =
    all.length > 1 || given.rows !== null
      ? all.find(({ path }) => VALIDATION.test(path))
      : undefined;
  const training = all.find((file) => file !== validation);
  return {
    ...given,
    rows: training ?? given.rows,
    validationRows: validation ?? (training === undefined ? given.validationRows : null),
  };
}

/** The visitor's rows as a request has them; null for the generated task. */
export function ownRows({ rows, validationRows, model }: TrainingGiven): OwnRows | null {
  return rows && { rows, validationRows, model };
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`);
}

function quoted(text: string): string {
  return /^[\w./:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The commands that write models with the same bytes. */
export function trainingCommands(
  settings: TrainingSettings,
  own: OwnRows | null,
): readonly string[] {
  const [rows, validation] =
    own === null
      ? ["train.jsonl", "validation.jsonl"]
      : [own.rows.path, own.validationRows?.path ?? null];
  const start = own === null ? "generated" : own.model.length > 0 ? "model" : "words";
  const options = Object.entries(settingOptions(settings, start));
  return [
    [
      `espalier finetune --train-file ${quoted(rows)}`,
      ...(validation === null ? [] : [`--validation-file ${quoted(validation)}`]),
      start === "model" ? "--model MODEL" : "--vocab vocab.txt",
      ...options.map(([name, value]) => `--${kebab(name)} ${quoted(String(value))}`),
      `--seed ${settings.seed} --variant ${settings.variant} --out run`,
    ].join(" "),
    "espalier pack run/sparse --out run/packed",
  ];
}
