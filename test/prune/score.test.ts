import fc from "fast-check";
import { expect, test } from "vitest";
import { ELEMENT_CRITERION_NAMES } from "../../src/prune/criteria.ts";
import { copyPruningState } from "../../src/prune/hooks.ts";
import { initialisePruning } from "../../src/prune/initialise.ts";
import { parsePruningConfigOrThrow } from "../../src/prune/parse.ts";
import { updateScoresInto } from "../../src/prune/score.ts";
import { createPrunerScratches } from "../../src/prune/scratch.ts";
import { blockScores } from "../../src/reference/blocks.ts";
import { ruleOf } from "../../src/reference/criteria.ts";
import { elements, inWeightOrder, mapped, weightMatrix } from "../../src/reference/matrix.ts";
import { accumulatedScores, elementScores } from "../../src/reference/score.ts";
import { runsOf } from "../reference/runs.ts";
import { configOf, exactValues, models, patterns } from "./models.ts";

test("two updates of any criterion are the reference's", () => {
  fc.assert(
    fc.property(
      models(exactValues),
      patterns,
      fc.constantFrom(...ELEMENT_CRITERION_NAMES),
      fc.constantFrom("mean" as const, "sum" as const, "max" as const),
      fc.boolean(),
      (layers, pattern, criterion, reduction, lowMemory) => {
        const fields = {
          pruning_type: criterion,
          criterion_reduce_type: reduction,
          low_memory_usage: lowMemory,
          end_step: 4,
          target_sparsity: 0,
        };
        const config = parsePruningConfigOrThrow(configOf(pattern, fields));
        const options = { profile: "strict", excludeHead: false } as const;
        const { pruners } = copyPruningState(initialisePruning(config, layers, options));
        const [scratch] = createPrunerScratches(pruners);
        scratch.records.push(...layers);
        updateScoresInto(pruners[0], scratch);
        updateScoresInto(pruners[0], scratch);
        const { decay } = ruleOf(criterion);
        pruners[0].layers.forEach(({ layout, scores }, i) => {
          const { data, gradient, shape } = layers[i];
          const matrix = weightMatrix(data, shape);
          const fresh = elementScores(criterion, matrix, weightMatrix(gradient ?? data, shape));
          const perElement = pattern.kind === "group";
          const { blockHeight, blockWidth } = layout;
          const reduced = perElement
            ? fresh
            : blockScores(fresh, blockHeight, blockWidth, reduction);
          const once =
            decay === null
              ? reduced
              : accumulatedScores(
                  mapped(reduced, () => 0),
                  reduced,
                  decay,
                  lowMemory,
                );
          const twice =
            decay === null ? reduced : accumulatedScores(once, reduced, decay, lowMemory);
          const expected = perElement ? [...inWeightOrder(twice, shape)] : elements(twice);
          expect([...(scores ?? [])].map((v) => v + 0)).toEqual(expected.map((v) => v + 0));
        });
      },
    ),
    { numRuns: runsOf(100) },
  );
});
