/** Surveys a checkpoint before any command looks at values: the role and axes of each tensor, and shared storage. */
import { InputError } from "../core/either.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import type { MatrixAxes, TensorRole } from "./model-roles.ts";
import { isMatrixRole, type RoleEvidence, type TensorFacts, tensorFacts } from "./roles.ts";

/** What is known of a model besides its tensors. */
export interface ModelEvidence extends RoleEvidence {
  /** Whether config.json states that the output embedding is the input embedding. */
  readonly tiesEmbeddings?: boolean;
  /** Whether to refuse roles that rest on names and dimensions alone. */
  readonly strictRoles?: boolean;
}

/** A tensor of a checkpoint with its facts. */
export interface SurveyedTensor extends TensorFacts {
  readonly entry: CheckpointEntry;
  /** Other names of the same storage. */
  readonly aliases: readonly string[];
  /** The mask by which the elements are multiplied, as in `weight_orig` with `weight_mask`. */
  readonly mask: CheckpointEntry | null;
  /** The tensor that this one is the mask of. */
  readonly maskOf: string | null;
}

/** Names of output embeddings. */
const OUTPUT_EMBEDDING =
  /(^|\.)(lm_head|embed_out|predictions\.decoder|output_projection|generator_lm_head)\.weight$|^(output|proj_out)\.weight$/;

type EntriesByName = ReadonlyMap<string, CheckpointEntry>;

/**
 * The other half of a parameter that `torch.nn.utils.prune` pruned, which is saved as `NAME_orig` and `NAME_mask`; null
 * if there is none of the same shape.
 */
function otherHalf(
  { name, shape }: CheckpointEntry,
  suffix: "_orig" | "_mask",
  entries: EntriesByName,
): CheckpointEntry | null {
  if (!name.endsWith(suffix)) return null;
  const other = entries.get(name.slice(0, -5) + (suffix === "_orig" ? "_mask" : "_orig"));
  return other?.shape.join() === shape.join() ? other : null;
}

/** The name that decides the role: both halves of a pruned parameter count as the parameter. */
function decidingName(entry: CheckpointEntry, entries: EntriesByName): string {
  const half = otherHalf(entry, "_orig", entries) ?? otherHalf(entry, "_mask", entries);
  return half === null
    ? entry.name.replace(/(^|[._])weight_orig$/, "$1weight")
    : entry.name.slice(0, -5);
}

function sameShape(a: CheckpointEntry, b: CheckpointEntry): boolean {
  return a.dtype === b.dtype && a.shape.join() === b.shape.join();
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether all elements have the same bits, as in a tensor that is not trained yet. */
function isConstant(bytes: Uint8Array, elements: number): boolean {
  const size = bytes.length / elements;
  for (let i = size; i < bytes.length; i++) if (bytes[i] !== bytes[i - size]) return false;
  return true;
}

/**
 * Tensors of matrices with the bytes of an embedding or of an output embedding: safetensors cannot state that tensors
 * share storage.
 */
function equalTensors(
  checkpoint: Checkpoint,
  facts: readonly TensorFacts[],
): ReadonlyMap<string, readonly string[]> {
  const { entries } = checkpoint;
  const isTable = (i: number): boolean =>
    facts[i]?.role === "embedding" || OUTPUT_EMBEDDING.test(facts[i]?.name ?? "");
  const tables = entries.filter((_, i) => isTable(i));
  const equal = new Map<string, readonly string[]>();
  entries.forEach((entry, i) => {
    if (!isMatrixRole(facts[i]?.role ?? "other") || entry.begin === entry.end) return;
    const alike = tables.filter((table) => table !== entry && sameShape(table, entry));
    if (alike.length === 0) return;
    const { bytes } = checkpoint.read(entry);
    const elements = entry.shape.reduce((product, size) => product * size, 1);
    if (isConstant(bytes, elements)) return;
    const same = alike.filter((table) => equalBytes(checkpoint.read(table).bytes, bytes));
    if (same.length > 0)
      equal.set(
        entry.name,
        same.map(({ name }) => name),
      );
  });
  return equal;
}

/** The input embedding that config.json ties an output embedding to. */
function tiedByConfig(
  entry: CheckpointEntry,
  facts: readonly TensorFacts[],
  { tiesEmbeddings = false }: ModelEvidence,
): readonly string[] {
  if (!tiesEmbeddings || !OUTPUT_EMBEDDING.test(entry.name)) return [];
  const table = facts.find(
    ({ role, shape }) => role === "embedding" && shape.join() === entry.shape.join(),
  );
  return table === undefined ? [] : [table.name];
}

/**
 * The tensors of a checkpoint in its order, with their roles, axes and aliases. All aliases decide whether a tensor is an
 * embedding.
 *
 * @throws InputError if an override matches no tensor, gives a role to a tensor without the dimensions for it, or, if
 *   asked for, if a role rests on names and dimensions alone
 */
export function surveyCheckpoint(
  checkpoint: Checkpoint,
  evidence: ModelEvidence = {},
): readonly SurveyedTensor[] {
  const { entries } = checkpoint;
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const shapes = entries.map((entry) => ({
    name: decidingName(entry, byName),
    shape: entry.shape,
  }));
  for (const override of evidence.overrides ?? []) {
    if (shapes.some(({ name }) => override.pattern.test(name))) continue;
    const path = "axes" in override ? "`axes`" : "`role`";
    const got = `${override.pattern.source}, found in none`;
    throw new InputError([{ path, expected: "an expression that a tensor's name matches", got }]);
  }
  const facts = tensorFacts(shapes, evidence);
  const equal = equalTensors(checkpoint, facts);
  const tensors = entries.map((entry, i): SurveyedTensor => {
    const { name, shape } = entry;
    const fact: TensorFacts = facts[i] ?? {
      name,
      shape,
      role: "other",
      axes: null,
      source: "rank",
    };
    const aliases = [
      ...new Set([
        ...[...checkpoint.tied].flatMap(([alias, stored]) => (stored === name ? [alias] : [])),
        ...(equal.get(name) ?? []),
        ...tiedByConfig(entry, facts, evidence),
      ]),
    ];
    const others = tensorFacts(
      aliases.map((alias) => ({ name: alias, shape })),
      { modelTypes: evidence.modelTypes ?? [] },
    );
    const isEmbedding = fact.source !== "option" && others.some(({ role }) => role === "embedding");
    return {
      ...fact,
      ...(isEmbedding && { role: "embedding", axes: null }),
      name,
      entry,
      aliases,
      mask: otherHalf(entry, "_orig", byName),
      maskOf: otherHalf(entry, "_mask", byName)?.name ?? null,
    };
  });
  const assumed = assumptionsOf(tensors);
  if (evidence.strictRoles === true && assumed.length > 0) {
    const expected = "roles from config.json, `role` or `axes`, because of `strictRoles`";
    const got = `${assumed.length} from names and shapes: ${fewOf(assumed.map(formatAssumption))}`;
    throw new InputError([{ path: checkpoint.path, expected, got }]);
  }
  return tensors;
}

/** A role that rests on names and dimensions alone. */
export interface Assumption {
  readonly tensor: string;
  readonly role: TensorRole;
  readonly axes: MatrixAxes | null;
}

/** The roles of tensors of two or more dimensions that rest on names and dimensions alone. */
export function assumptionsOf(tensors: readonly SurveyedTensor[]): readonly Assumption[] {
  return tensors
    .filter(
      ({ shape, source, maskOf }) =>
        shape.length > 1 && maskOf === null && source !== "option" && source !== "config",
    )
    .map(({ name, role, axes }) => ({ tensor: name, role, axes }));
}

/** An assumption in a few words. */
export function formatAssumption({ tensor, role, axes }: Assumption): string {
  return `${tensor} ${role}${axes === null ? "" : ` [${axes}]`}`;
}

/** A few texts, and the number of the others. */
export function fewOf(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).join("; ");
  return texts.length > 3 ? `${shown}; and ${texts.length - 3} more` : shown;
}
