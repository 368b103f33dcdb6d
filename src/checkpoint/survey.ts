/** Surveys a checkpoint before any command uses its values: finds each tensor's role and axes, and shared storage. */
import { InputError } from "../core/either.ts";
import { withoutWrappers } from "../io/parameter-names.ts";
import type { Checkpoint, CheckpointEntry } from "./checkpoint.ts";
import type { MatrixAxes, TensorRole } from "./model-roles.ts";
import { isMatrixRole, type RoleEvidence, type TensorFacts, tensorFacts } from "./roles.ts";

/** Information about a model that its tensors do not contain. */
export interface ModelEvidence extends RoleEvidence {
  /** Whether config.json states that the output embedding shares the weight of the input embedding. */
  readonly tiesEmbeddings?: boolean;
  /** Whether to refuse roles inferred from names and dimensions alone. */
  readonly strictRoles?: boolean;
}

/** A tensor of a checkpoint with its role, axes, aliases and mask. */
export interface SurveyedTensor extends TensorFacts {
  readonly entry: CheckpointEntry;
  /** Other names for the same storage. */
  readonly aliases: readonly string[];
  /** The mask by which to multiply the elements, such as `weight_mask` for `weight_orig`. Null if there is none. */
  readonly mask: CheckpointEntry | null;
  /** If this tensor is a mask, the name of the tensor that it multiplies; otherwise null. */
  readonly maskOf: string | null;
}

/** Matches the names of output embeddings. */
const OUTPUT_EMBEDDING =
  /(^|\.)(lm_head|embed_out|predictions\.decoder|output_projection|generator_lm_head)\.weight$|^(output|proj_out)\.weight$/;

function isOutputEmbedding(name: string): boolean {
  return OUTPUT_EMBEDDING.test(withoutWrappers(name));
}

type EntriesByName = ReadonlyMap<string, CheckpointEntry>;

/**
 * Returns the counterpart of a tensor that `torch.nn.utils.prune` saves as `NAME_orig` (the parameter) or `NAME_mask`;
 * null if there is none with the same shape.
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

/** Returns the name from which a role is inferred: `NAME_orig` and `NAME_mask` are treated as the parameter `NAME`. */
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

/** Whether all elements have the same bits, as in a tensor that has not been trained yet. */
function isConstant(bytes: Uint8Array, elements: number): boolean {
  const size = bytes.length / elements;
  for (let i = size; i < bytes.length; i++) if (bytes[i] !== bytes[i - size]) return false;
  return true;
}

/**
 * Finds the layers' weights whose bytes equal those of an input or output embedding. These weights are treated as
 * shared, because safetensors cannot express that tensors share storage.
 */
function equalTensors(
  checkpoint: Checkpoint,
  facts: readonly TensorFacts[],
): ReadonlyMap<string, readonly string[]> {
  const { entries } = checkpoint;
  const isTable = (i: number): boolean =>
    facts[i]?.role === "embedding" || isOutputEmbedding(facts[i]?.name ?? "");
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

/** If `entry` is an output embedding and config.json ties it to the input embedding, returns the name of the latter. */
function tiedByConfig(
  entry: CheckpointEntry,
  facts: readonly TensorFacts[],
  { tiesEmbeddings = false }: ModelEvidence,
): readonly string[] {
  if (!tiesEmbeddings || !isOutputEmbedding(entry.name)) return [];
  const table = facts.find(
    ({ role, shape }) => role === "embedding" && shape.join() === entry.shape.join(),
  );
  return table === undefined ? [] : [table.name];
}

/**
 * Lists the tensors of a checkpoint in its order, with their roles, axes and aliases. A tensor with an embedding's name
 * among its aliases is an embedding, unless an override gives its role.
 *
 * @throws InputError if an override matches no tensor or gives a tensor a role for which it has the wrong number of
 *   dimensions; under `strictRoles`, also if a role is inferred from names and dimensions alone
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
      ...(isEmbedding && fact.source === "rank" && { source: "names" }),
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

/** A role inferred from a tensor's name and dimensions alone. */
export interface Assumption {
  readonly tensor: string;
  readonly role: TensorRole;
  readonly axes: MatrixAxes | null;
}

/** Lists the tensors with two or more dimensions whose roles are inferred from names and dimensions alone. */
export function assumptionsOf(tensors: readonly SurveyedTensor[]): readonly Assumption[] {
  return tensors
    .filter(
      ({ shape, source, maskOf }) =>
        shape.length > 1 && maskOf === null && source !== "option" && source !== "config",
    )
    .map(({ name, role, axes }) => ({ tensor: name, role, axes }));
}

/** Formats an assumption, such as `fc.weight linear [out,in]`. */
export function formatAssumption({ tensor, role, axes }: Assumption): string {
  return `${tensor} ${role}${axes === null ? "" : ` [${axes}]`}`;
}

/** Joins the first three texts, and states how many more there are. */
export function fewOf(texts: readonly string[]): string {
  const shown = texts.slice(0, 3).join("; ");
  return texts.length > 3 ? `${shown}; and ${texts.length - 3} more` : shown;
}
