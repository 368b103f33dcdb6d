/** `espalier plan`: shows the effect of a pruning configuration on a model before any training. */

import { chooseLayers, inModuleOrder, withoutSkipped } from "../checkpoint/choice.ts";
import { accountFor } from "../checkpoint/coverage.ts";
import { type PrunerPlan, type PruningPlan, planPruning } from "../checkpoint/plan.ts";
import { surveyCheckpoint } from "../checkpoint/survey.ts";
import { counted } from "../core/counted.ts";
import { getOrThrow, InputError } from "../core/either.ts";
import { PruningError } from "../prune/layer.ts";
import { skippedByAll } from "../prune/once.ts";
import { formatShare, formatTable } from "../report/table.ts";
import { blockWord, findCheckpoint, readConfig, withCheckpoint } from "./checkpoint-run.ts";
import { type Command, defineCommand } from "./command.ts";
import type { TextOutput } from "./console.ts";
import { choiceOption, integerOption, textOption } from "./options.ts";
import {
  LAYER_OPTIONS,
  printAccount,
  ROLE_OPTIONS,
  readLayerChoice,
  readModelStatements,
} from "./tensor-roles.ts";

const OPTIONS = {
  config: textOption(
    "FILE",
    "pruners in the keys of Intel Neural Compressor, JSON or YAML (required)",
    ["pruning-config"],
  ),
  model: textOption(
    "IN",
    "a checkpoint: a file, an index, a directory or a model in the Hugging Face cache (required)",
  ),
  steps: integerOption({ least: 1 }, "training steps (required)"),
  ...LAYER_OPTIONS,
  profile: choiceOption(["inc", "strict"], "pruning semantics (default inc)"),
  ...ROLE_OPTIONS,
} as const;

const REQUIRED = ["config", "model", "steps"] as const;

function scheduleTable({ schedule, blocks }: PrunerPlan): string {
  return formatTable({
    header: ["step", "target", "pruned", "share"],
    rows: schedule.map(({ step, target, prunedBlocks }) => [
      String(step),
      target.toFixed(4),
      `${prunedBlocks}/${blocks}`,
      formatShare(prunedBlocks, blocks),
    ]),
  });
}

function layersTable({ selected }: PrunerPlan, unit: string): string {
  return formatTable({
    header: ["layer", "kind", "shape", unit],
    rows: selected.map(({ name, kind, shape, blocks }) => [
      name,
      kind,
      shape.join("x"),
      String(blocks),
    ]),
  });
}

function printText(plan: PruningPlan, order: string, out: TextOutput): void {
  out.write(
    `profile ${plan.profile}, ${counted(plan.steps, "step")}; layers in the order of ${order}\n`,
  );
  plan.pruners.forEach((pruner, i) => {
    const { pattern, criterion, scope, selected, skipped } = pruner;
    out.write(
      `\npruner ${i + 1}: ${pattern}, ${criterion}, ${scope}: ${counted(selected.length, "layer")}\n\n${layersTable(pruner, blockWord(pattern))}\n\n`,
    );
    for (const { name, reason } of skipped) out.write(`left alone: ${name}: ${reason}\n`);
    out.write(`\n${scheduleTable(pruner)}\n`);
  });
}

export const planCommand: Command = defineCommand({
  name: "plan",
  summary: "show what a pruning configuration would do to a model",
  description: [
    "Reads the shapes of a checkpoint and prints, for each pruner, the layers that it selects, those that it leaves alone and why, its prune steps, and the number of pruned blocks after each. Under strict the counts are exact; under inc per-layer bounds and ties can change them.",
    "A configuration is refused with exit code 2 if it would prune nothing, does not finish within the steps, cannot reach its target within its bounds, or cannot be carried out.",
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values, json }, { out }) => {
    const { config: path, model, steps, profile = "inc" } = values;
    if (path === undefined || model === undefined || steps === undefined) {
      const missing = REQUIRED.filter((name) => values[name] === undefined);
      throw new InputError(
        missing.map((name) => {
          const expected = `a ${OPTIONS[name].placeholder}`;
          return { path: `--${name}`, expected, got: "none" };
        }),
      );
    }
    const config = getOrThrow(await readConfig(path, profile));
    const choice = readLayerChoice(values);
    const place = await findCheckpoint("`model`", model);
    const { evidence, modules, order } = await readModelStatements(place, values);
    return withCheckpoint(place, async (checkpoint) => {
      const tensors = surveyCheckpoint(checkpoint, evidence);
      const { chosen, left } = chooseLayers(tensors, choice, profile);
      const ordered = inModuleOrder(chosen, modules);
      try {
        const shapes = ordered.flatMap(({ layers }) => layers);
        const plan = planPruning(config, shapes, { steps, profile });
        const skipped = skippedByAll(plan.pruners.map((pruner) => pruner.skipped));
        const account = accountFor(tensors, withoutSkipped({ chosen: ordered, left }, skipped));
        if (json) {
          out.write(`${JSON.stringify({ order, ...account, ...plan })}\n`);
          return 0;
        }
        printText(plan, order, out);
        printAccount("planned", account, out);
        return 0;
      } catch (error) {
        if (error instanceof PruningError) throw new RangeError(`${path}: ${error.message}`);
        throw error;
      }
    });
  },
});
