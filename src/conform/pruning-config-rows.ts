/** Replays the tables about configurations, which record resolved settings, errors, and selected layers. */
import type { InputError } from "../core/either.ts";
import { isJsonObject } from "../io/json.ts";
import { initialisePruning } from "../prune/initialise.ts";
import { type LayerRecord, PruningError } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { findClassifierHead, incSelection, selectLayers } from "../prune/select.ts";
import type { Fields } from "../prune/sources.ts";
import { at, type JsonObject } from "./case-files.ts";
import { compare, type Difference, differenceAt } from "./difference.ts";
import { readModel } from "./pruning-case.ts";
import { AS_INC, prunersDifference, refusalOf, statedFields } from "./pruning-config.ts";
import type { Finding, RowChecks } from "./verdict.ts";

export const CONFIG_TABLES: Readonly<Record<string, RowChecks>> = {
  config_defaults: { rows: configurationRow },
  config_errors: { rows: configErrorRow },
  config_sequences: { rows: configSequenceRow },
  layer_selection: { rows: selectionRow },
  valid_pruning_types: { rows: pruningTypeRow },
};

function configurationRow(row: JsonObject): Difference | undefined {
  const config = at.object(row, "config");
  if ("error" in row) {
    const refusal = refusalOf(() => parsePruningConfigOrThrow(config, AS_INC));
    return refusal ? undefined : differenceAt("outcome", "a refusal", "none");
  }
  return prunersDifference(
    at.objects(row, "resolved").map(statedFields),
    parsePruningConfigOrThrow(config, AS_INC).pruners,
  );
}

function encoderLayer(): readonly LayerRecord[] {
  const prefix = "bert.encoder.layer.0";
  return readModel([
    [`${prefix}.attention.self.query`, "linear", [8, 8]],
    [`${prefix}.attention.self.key`, "linear", [8, 8]],
    [`${prefix}.attention.self.value`, "linear", [8, 8]],
    [`${prefix}.attention.output.dense`, "linear", [8, 8]],
    [`${prefix}.intermediate.dense`, "linear", [16, 8]],
    [`${prefix}.output.dense`, "linear", [8, 16]],
    ["classifier", "linear", [2, 8]],
  ]).records;
}

/** Whether INC initially accepts the refused settings, and fails only at the first prune step. */
function breaksLater(refusal: InputError | PruningError): boolean {
  if (refusal instanceof PruningError) return refusal.code === "indivisible-shape";
  return refusal.problems.every(({ path }) => path.endsWith("sparsity_decay_type"));
}

/**
 * Checks that a configuration is refused if and only if INC refuses it. If both accept it, also compares the layers
 * that each pruner selects.
 */
function configErrorRow(row: JsonObject): Finding {
  let selected: readonly string[] = [];
  const refusal = refusalOf(() => {
    const config = parsePruningConfigOrThrow(row.config, AS_INC);
    const { pruners } = initialisePruning(config, encoderLayer(), { allowNothing: true });
    selected = pruners.map(({ layers }) => layers.map(({ name }) => name).join(" "));
  });
  const failed = [row.process_config, row.prepare_compression].some(
    (outcome) => isJsonObject(outcome) && "type" in outcome,
  );
  if (failed) return refusal ? undefined : differenceAt("outcome", "a refusal", "none");
  if (refusal)
    return breaksLater(refusal)
      ? { acceptable: "refused at once, where the original breaks at its first prune step" }
      : differenceAt("outcome", "no refusal", refusal.message);
  if (!("pruners" in row)) return undefined;
  const expected = at.objects(row, "pruners").map((pruner) => at.texts(pruner, "layers").join(" "));
  return compare("layers of pruner", expected, selected);
}

/**
 * Returns the recorded settings of pruners, without the lists to which INC adds names for every configuration that it
 * reads.
 */
function recordedPruners(row: JsonObject): readonly Fields[] {
  return at.objects(row, "pruners").map(({ op_names: _, excluded_op_names: __, ...own }) => own);
}

/**
 * Compares a configuration that INC read after other configurations in the same process. INC's default objects are
 * shared, so values of earlier configurations carry over; in Espalier they do not. This difference is acceptable if
 * INC's recorded settings equal those of an earlier row.
 */
function configSequenceRow(row: JsonObject, table: JsonObject): Finding {
  const stated = at.object(row, "kwargs");
  const locals = "pruning_configs" in stated ? at.objects(stated, "pruning_configs") : [{}];
  const { pruning_configs: _, ...top } = stated;
  const { pruners } = parsePruningConfigOrThrow(stated, AS_INC);
  const own = locals.map((local) => ({ ...top, ...local }));
  const statedDifference = prunersDifference(own, pruners);
  if (statedDifference !== undefined) return statedDifference;
  const recorded = recordedPruners(row);
  const difference = prunersDifference(recorded, pruners);
  const rows = at.objects(table, "rows");
  const handedOn = rows
    .slice(0, rows.indexOf(row))
    .some((earlier) => JSON.stringify(recordedPruners(earlier)) === JSON.stringify(recorded));
  return difference && handedOn
    ? {
        acceptable: "its own values, where the original hands on those of an earlier configuration",
      }
    : difference;
}

function pruningTypeRow({ type }: JsonObject): Difference | undefined {
  const config = parsePruningConfigOrThrow({ pruning_type: String(type), end_step: 0 });
  return compare("pruners", [1], [config.pruners.length]);
}

/** Compares the layers that a configuration selects, and the classifier head, for a model that the table describes. */
function selectionRow(row: JsonObject, table: JsonObject): Difference | undefined {
  const model = at.objects(table, "models").find((one) => one.name === at.text(row, "model"));
  const layers = readModel(model?.modules).records;
  const config = parsePruningConfigOrThrow({
    op_names: at.texts(row, "op_names"),
    excluded_op_names: at.texts(row, "excluded_op_names"),
    pruning_op_types: at.texts(row, "pruning_op_types"),
    end_step: 10,
    pruning_type: "magnitude",
  });
  if ("error" in row) {
    const refusal = refusalOf(() => initialisePruning(config, layers, { allowNothing: true }));
    return refusal ? undefined : differenceAt("outcome", "a refusal", "none");
  }
  const head = row.classifier_head as string | null;
  const selected = config.pruners.flatMap(
    (pruner) => selectLayers(pruner, layers, true, incSelection).selected,
  );
  const names = selected.map(({ name }) => name);
  return (
    compare("classifier head", head, findClassifierHead(layers) ?? null) ??
    compare("layer", at.texts(row, "layers"), names)
  );
}
