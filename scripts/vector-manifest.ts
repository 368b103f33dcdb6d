/**
 * The manifest of the golden vectors, which are never edited themselves: the version of the format, and for each
 * vector the required answer and its purpose.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** docs/conformance.md says when to raise it. */
const VERSION = "1.2.0";

/**
 * `valid`: reproduce the answer. `invalid`: refuse the input. `acceptable`: several answers are right, as the note
 * says.
 */
type Result = "valid" | "invalid" | "acceptable";

/** One vector. */
interface Entry {
  readonly family: string;
  /** As `conform` names it: a directory, `table/part[index]` or `file:line`. */
  readonly slug: string;
  readonly result: Result;
  readonly notes: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/** The fields that all vectors of a family share. */
const FAMILIES: Readonly<Record<string, Json>> = {
  pruning: {
    source: "Intel Neural Compressor v3.7.1",
    schemas: ["schema/pruning-case.schema.json"],
  },
  pruning_tables: {
    source: "Intel Neural Compressor v3.7.1",
    schemas: [
      "config_defaults",
      "config_errors",
      "config_sequences",
      "layer_selection",
      "pattern_units",
      "schedule",
      "valid_pruning_types",
    ].map((table) => `schema/${table}.schema.json`),
  },
  model: {
    source: "transformers 4.32",
    schemas: ["schema/model-case.schema.json", "schema/lr_schedule.schema.json"],
  },
  joint: {
    source: "transformers 4.32 and Intel Neural Compressor v3.7.1",
    schemas: ["schema/joint-case.schema.json"],
  },
  heads: {
    source: "Intel Neural Compressor v3.7.1, and transformers 4.32 for the trained model",
    schemas: ["schema/heads-case.schema.json"],
  },
  slim: {
    source: "Intel Neural Compressor v3.7.1, and transformers 4.32 for the models",
    schemas: ["schema/slim-case.schema.json"],
  },
  strict: {
    source: "the project's own specification, src/reference",
    schemas: ["schema/strict-case.schema.json"],
  },
  calibrated: {
    source: "Intel Neural Compressor v3.7.1",
    schemas: ["schema/calibrated-case.schema.json"],
  },
  tokenizer: {
    source: "transformers 4.32; its cases quote data sets and stand elsewhere",
    schemas: ["schema/tokenizer-line.schema.json"],
  },
};

function readJson(...path: readonly string[]): unknown {
  return JSON.parse(readFileSync(join(...path), "utf8"));
}

/** The directories below `root/family` that are cases, by name. */
function caseNames(root: string, family: string): string[] {
  return readdirSync(join(root, family))
    .filter((name) => existsSync(join(root, family, name, "case.json")))
    .sort();
}

function textsOf(...notes: readonly unknown[]): string[] {
  return notes.filter((note) => typeof note === "string");
}

/** What the original raised, in words. */
function raised(error: unknown): string {
  const { type, message, hook, during = hook } = error as Json;
  return `The original raises ${type} in ${during}: ${message}`;
}

function caseEntries(root: string, family: string): Entry[] {
  return caseNames(root, family).map((slug) => {
    const json = readJson(root, family, slug, "case.json") as Json;
    const refused = "error" in json;
    return {
      family,
      slug,
      result: refused ? "invalid" : ((json.result as Result | undefined) ?? "valid"),
      notes: textsOf(json.description, json.note, refused && raised(json.error)),
    };
  });
}

function isError(outcome: unknown): boolean {
  return typeof outcome === "object" && outcome !== null && "type" in outcome;
}

/** Settings that INC accepts and breaks on at the first prune step. */
function breaksLater({ config, pruners }: Json): boolean {
  const { sparsity_decay_type: decay = "exp" } = config as Json;
  const invalid = ((pruners as readonly Json[] | undefined) ?? []).some(
    ({ invalid_layers: layers }) => (layers as readonly string[]).length > 0,
  );
  return invalid || !["exp", "linear", "cos", "cube"].includes(decay as string);
}

/** Whether a row of config_sequences records other values than its own configuration states. */
function isHandedOn({ kwargs, pruners }: Json): boolean {
  const [recorded] = pruners as readonly Json[];
  const { pruning_configs: locals, ...top } = kwargs as Json;
  const stated: Json = { ...top, ...(locals as readonly Json[] | undefined)?.[0] };
  const keys = ["target_sparsity", "pattern", "end_step"].filter((key) => key in stated);
  return keys.some((key) => stated[key] !== recorded?.[key]);
}

/** The required answer to a row of a table, and the reason. */
function answerOf(table: string, part: string, row: Json): Pick<Entry, "result" | "notes"> {
  const notes = textsOf(row.note);
  const errors = [
    row.error,
    row.process_config,
    row.prepare_compression,
    // A part of pattern_units: an error in place of the masks of a scope.
    ...(part === "progressive_global" ? [row.global, row.local] : []),
  ];
  const error = errors.find(isError);
  if (error !== undefined) return { result: "invalid", notes: [...notes, raised(error)] };
  const refused = errors.find(
    (outcome) => typeof outcome === "object" && outcome && "error" in outcome,
  );
  if (refused)
    return { result: "invalid", notes: [`The original raises ${(refused as Json).error}`] };
  if (table === "config_errors" && breaksLater(row)) {
    const why = "The original breaks at its first prune step: to refuse at once is right too";
    return { result: "acceptable", notes: [...notes, why] };
  }
  if (table === "config_sequences" && isHandedOn(row)) {
    const why = "Shared defaults of one process: to resolve to its own values is right too";
    return { result: "acceptable", notes: [...notes, why] };
  }
  return { result: "valid", notes };
}

/** Lists that rows refer to. */
const NOT_ROWS = ["models"];

function tableEntries(root: string): Entry[] {
  const files = readdirSync(join(root, "pruning_tables")).sort();
  return files.flatMap((file) => {
    const table = file.replace(/\.json$/, "");
    const json = readJson(root, "pruning_tables", file);
    const parts = Array.isArray(json) ? { rows: json } : (json as Json);
    return Object.entries(parts).flatMap(([part, rows]) =>
      NOT_ROWS.includes(part)
        ? []
        : (rows as readonly unknown[]).map((row, index) => ({
            family: "pruning_tables",
            slug: `${table}/${part}[${index}]`,
            ...answerOf(table, part, typeof row === "string" ? {} : (row as Json)),
          })),
    );
  });
}

function scheduleEntries(root: string): Entry[] {
  const rows = readJson(root, "model", "lr_schedule.json") as readonly Json[];
  return rows.map((_, index) => ({
    family: "model",
    slug: `lr_schedule.json:${index + 1}`,
    result: "valid" as const,
    notes: [],
  }));
}

/** How many vectors have each result. */
function countsOf(entries: readonly Entry[]): Json {
  const count = (result: Result): number =>
    entries.filter((entry) => entry.result === result).length;
  return {
    vectors: entries.length,
    valid: count("valid"),
    invalid: count("invalid"),
    acceptable: count("acceptable"),
  };
}

/** The text of manifest.json for the vectors below `root`: one vector a line. */
export function manifestText(root: string): string {
  const entries = [
    ...caseEntries(root, "pruning"),
    ...tableEntries(root),
    ...caseEntries(root, "model"),
    ...scheduleEntries(root),
    ...caseEntries(root, "joint"),
    ...caseEntries(root, "heads"),
    ...caseEntries(root, "slim"),
    ...caseEntries(root, "strict"),
    ...caseEntries(root, "calibrated"),
  ];
  const families = Object.entries(FAMILIES).map(([family, about]) => {
    const counts = countsOf(entries.filter((entry) => entry.family === family));
    return `  ${JSON.stringify(family)}: ${JSON.stringify({ ...about, counts })}`;
  });
  return [
    "{",
    ' "format": "espalier-conformance",',
    ` "version": ${JSON.stringify(VERSION)},`,
    ' "families": {',
    families.join(",\n"),
    " },",
    ' "vectors": [',
    entries.map((entry) => `  ${JSON.stringify(entry)}`).join(",\n"),
    " ]",
    "}",
    "",
  ].join("\n");
}
