import { describe, expect, it } from "vitest";
import { countNames, MOST_NAMES, readSurface } from "../../scripts/surface.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

/** Most public names of each entry. */
const MOST_OF: Readonly<Record<string, number>> = {
  ".": 50,
  "./nn": 92,
  "./sparse": 21,
  "./io": 40,
  "./checkpoint": 37,
  "./calibrate": 5,
  "./classifier": 15,
  "./runtime": 6,
  "./node": 36,
  "./reference": 25,
  "./worker": 1,
};

const { entries } = readSurface(PROJECT_ROOT);

describe("public names", () => {
  it(`are at most ${MOST_NAMES} over all entries`, () => {
    expect(countNames(entries)).toBeLessThanOrEqual(MOST_NAMES);
  });

  it.each(entries.map(({ path, names }) => ({ path, count: names.length })))(
    "of $path stay within its limit",
    ({ path, count }) => {
      expect(Object.keys(MOST_OF)).toContain(path);
      expect(count).toBeLessThanOrEqual(MOST_OF[path] ?? 0);
    },
  );
});
