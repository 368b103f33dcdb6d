/** Describes in words which tensors of a checkpoint a command worked on, and which it left alone. */
import type { TensorAccount } from "../checkpoint/coverage.ts";
import { fewOf, formatAssumption } from "../checkpoint/survey.ts";
import { counted } from "../core/counted.ts";
import { sumOf } from "../core/sum.ts";
import { formatShare } from "./table.ts";

/**
 * Describes an account of all tensors: a line for each reason to leave tensors alone, with the first few names, and the
 * roles that were inferred from names and shapes alone. `did` states what the command did with all other tensors.
 */
export function accountLines(
  did: string,
  { coverage, assumptions }: TensorAccount,
): readonly string[] {
  const { elements, judged, left } = coverage;
  const share = (part: number): string => `${part} elements, ${formatShare(part, elements)}`;
  const reasons = new Map<string, typeof left>();
  for (const one of left) reasons.set(one.reason, [...(reasons.get(one.reason) ?? []), one]);
  const assumed = fewOf(assumptions.map(formatAssumption));
  return [
    `${did}: ${counted(judged.tensors, "tensor")} (${share(judged.elements)})`,
    ...[...reasons].map(([reason, all]) => {
      const sum = sumOf(all, (one) => one.elements);
      return `left alone: ${reason}: ${fewOf(all.map(({ name }) => name))} (${share(sum)})`;
    }),
    ...(assumptions.length === 0
      ? []
      : [
          `assumed from names and shapes alone: roles of ${counted(assumptions.length, "tensor")}: ${assumed}`,
        ]),
  ];
}
