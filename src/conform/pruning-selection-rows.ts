/** Rows of layer_selection.json: the layers that a configuration takes from a model, and the model's head. */
import { initialisePruning } from "../prune/initialise.ts";
import { parsePruningConfigOrThrow } from "../prune/parse.ts";
import { findClassifierHead, incSelection, selectLayers } from "../prune/select.ts";
import { type JsonObject, objectsAt, textAt, textsAt } from "./case-files.ts";
import { type Difference, differenceAt, exactDifference, valueDifference } from "./difference.ts";
import { caseModules, moduleRecords } from "./pruning-case.ts";
import { refusalOf } from "./pruning-config.ts";

/** A row; its table lists the models. */
export function selectionRow(row: JsonObject, table: JsonObject): Difference | undefined {
  const model = objectsAt(table, "models").find((one) => one.name === textAt(row, "model"));
  const layers = moduleRecords(caseModules(model?.modules));
  const config = parsePruningConfigOrThrow({
    op_names: textsAt(row, "op_names"),
    excluded_op_names: textsAt(row, "excluded_op_names"),
    pruning_op_types: textsAt(row, "pruning_op_types"),
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
    valueDifference("classifier head", head, findClassifierHead(layers) ?? null) ??
    exactDifference("layer", textsAt(row, "layers"), names)
  );
}
