import fc from "fast-check";
import { expect, test } from "vitest";
import { type GroupPattern, groupScoresInto } from "../../src/prune/group.ts";
import { blockCount, layOut } from "../../src/prune/pattern.ts";
import { groupScores, keptWithinGroups } from "../../src/reference/groups.ts";
import { elements, weightMatrix } from "../../src/reference/matrix.ts";
import { exactValues } from "./models.ts";

const PATTERNS: readonly GroupPattern[] = [
  { kind: "group", prune: 1, of: 4 },
  { kind: "group", prune: 2, of: 4 },
  { kind: "group", prune: 3, of: 4 },
  { kind: "group", prune: 4, of: 8 },
];

test("chosen elements and scores of groups are the reference's, with all ties and with exactly N", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...PATTERNS),
      fc.constantFrom("inc" as const, "strict" as const),
      fc.constantFrom("mean" as const, "sum" as const, "max" as const),
      exactValues(32),
      (pattern, profile, reduction, values) => {
        const shape = [2, 16];
        const layout = layOut(pattern, { shape });
        const allTies = profile === "inc";
        const scores = new Float32Array(blockCount(layout));
        const mask = new Uint8Array(values.length);
        const working = new Float32Array(pattern.of);
        groupScoresInto(pattern, layout, reduction, false, allTies, values, scores, mask, working);
        const matrix = weightMatrix(values, shape);
        const kept = keptWithinGroups(matrix, pattern.prune, pattern.of, profile);
        const expected = elements(groupScores(matrix, kept, pattern.of, reduction));
        expect([...scores].map((v) => v + 0)).toEqual(expected.map((v) => v + 0));
        expect([...mask]).toEqual(elements(kept));
      },
    ),
  );
});
