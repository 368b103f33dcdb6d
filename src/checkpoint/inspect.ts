/** How sparse a weight is: its zeros, and every usual pattern that it satisfies. */
import { layOut, parsePattern } from "../prune/pattern.ts";
import { type VerifiedWeight, verifyWeight } from "./verify.ts";

/** Patterns that hardware and libraries run: groups first, then blocks and channels. */
export const USUAL_PATTERNS: readonly string[] = /* @__PURE__ */ [
  "1:2 2:4 4:8 3:4",
  "4x1 8x1 16x1 1x4 1x8 1x16 4x4 8x8 16x16",
  "1xchannel channelx1",
].flatMap((line) => line.split(" "));

/** A pattern that a weight satisfies, and the share that it prunes. */
interface SatisfiedPattern {
  readonly pattern: string;
  /** Blocks of zeros; N:M: groups. */
  readonly sparseBlocks: number;
  readonly blocks: number;
}

/** The result of inspecting a weight. */
export interface WeightFacts {
  readonly elements: number;
  readonly zeros: number;
  readonly nonFinite: number;
  /**
   * N:M patterns with at least N zeros in every group, and block patterns with zero blocks but no partial ones. Only
   * patterns that divide the weight.
   */
  readonly patterns: readonly SatisfiedPattern[];
}

function satisfied(weight: VerifiedWeight, spelling: string): SatisfiedPattern | undefined {
  const pattern = parsePattern(spelling);
  if (pattern === undefined || !layOut(pattern, weight).divides) return undefined;
  const exact = pattern.kind === "block";
  const { sparseBlocks, blocks, violation } = verifyWeight(weight, { pattern, exact });
  if (violation !== null || sparseBlocks === 0) return undefined;
  return { pattern: spelling, sparseBlocks, blocks };
}

/**
 * Looks at every element of a weight.
 *
 * @example
 * ```ts
 * import { inspectWeight } from "espalier/checkpoint";
 *
 * const data = Float32Array.of(0, 1, 0, 2, 0, 3, 0, 4);
 * const { zeros, patterns } = inspectWeight({ name: "fc", shape: [4, 2], data });
 * console.assert(zeros === 4);
 * console.assert(patterns.map(({ pattern }) => pattern).join() === "1:2,4x1,channelx1");
 * ```
 */
export function inspectWeight(weight: VerifiedWeight): WeightFacts {
  const { data } = weight;
  let zeros = 0;
  let nonFinite = 0;
  for (let i = 0; i < data.length; i++) {
    if (data[i] === 0) zeros++;
    if (!Number.isFinite(data[i])) nonFinite++;
  }
  const patterns =
    zeros === 0 ? [] : USUAL_PATTERNS.flatMap((spelling) => satisfied(weight, spelling) ?? []);
  return { elements: data.length, zeros, nonFinite, patterns };
}
