/** Rows of layer_selection.json: which layers an expression list selects, and the classifier head. */
import { initialisePruning } from "../prune/initialise.ts";
import { PruningError } from "../prune/layer.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { findClassifierHead, selectLayers } from "../prune/select.ts";
import { type JsonObject, objectsAt, textAt, textsAt } from "./case-files.ts";
import { type Difference, differenceAt, exactDifference } from "./difference.ts";
import { caseModules, moduleRecords } from "./pruning-case.ts";

/** A row, with the table it stands in: that lists the models. */
export function selectionRow(row: JsonObject, table: JsonObject): Difference | undefined {
  const model = objectsAt(table, "models").find((one) => one.name === textAt(row, "model"));
  const layers = moduleRecords(caseModules(model?.modules));
  const names = {
    op_names: textsAt(row, "op_names"),
    excluded_op_names: textsAt(row, "excluded_op_names"),
    pruning_op_types: textsAt(row, "pruning_op_types"),
  };
  const config = parsePruningConfigOrThrow({ ...names, end_step: 10, pruning_type: "magnitude" });
  if ("error" in row) {
    try {
      initialisePruning(config, layers, { allowNothing: true });
    } catch (error) {
      if (error instanceof PruningError) return undefined;
      throw error;
    }
    return differenceAt("outcome", "a refusal", "none");
  }
  const selected = config.pruners.flatMap((pruner) => selectLayers(pruner, layers).selected);
  return (
    exactDifference(
      "classifier head",
      [row.classifier_head as string | null],
      [findClassifierHead(layers) ?? null],
    ) ??
    exactDifference(
      "layer",
      textsAt(row, "layers"),
      selected.map(({ name }) => name),
    )
  );
}
