/** Prints what `espalier shrink` removed. */
import { sumOf } from "../core/sum.ts";
import { formatSeconds, formatShare, formatTable } from "../report/table.ts";
import type { FileCoverage, RemovedToken } from "../run/shrink.ts";
import type { ShrunkModel } from "../run/shrink-model.ts";
import type { Console, TextOutput } from "./console.ts";

/** The most removed tokens that are listed. */
const LISTED_TOKENS = 20;

/** What is printed. */
export interface ShrinkOutcome extends ShrunkModel {
  readonly from: string;
  readonly to: string;
  readonly seconds: number;
}

export function printShrunkJson(outcome: ShrinkOutcome, { out }: Console): void {
  const { plan, widths, heads, sizes, files, ...where } = outcome;
  const vocabulary = plan && {
    tokens: plan.size,
    shrunkTokens: plan.choice.kept.length,
    reasons: plan.choice.reasons,
  };
  const { vocabularyFiles = [], checks = [], removed = [] } = plan ?? {};
  const listed = removed.slice(0, LISTED_TOKENS);
  const texts = { vocabulary, vocabularyFiles, checks, removed: listed };
  out.write(`${JSON.stringify({ ...where, ...texts, widths, heads, ...sizes, files })}\n`);
}

export function printShrunk(outcome: ShrinkOutcome, { out }: Console): void {
  const { from, to, plan, widths, heads, sizes, files, seconds } = outcome;
  const { channels, shrunkChannels, layers } = widths;
  const isUniform = new Set(layers).size === 1;
  out.write(
    isUniform
      ? `${from}: ${shrunkChannels} of ${channels} channels in each feed-forward layer\n`
      : `${from}: ${layers.join(", ")} of ${channels} channels in the feed-forward layers, which only Espalier reads\n`,
  );
  if (heads.layers.some((count) => count < heads.heads))
    out.write(`${from}: ${heads.layers.join(", ")} of ${heads.heads} heads in the layers\n`);
  if (plan !== null) {
    const { kept, reasons } = plan.choice;
    out.write(
      `${from}: ${kept.length} of ${plan.size} tokens: ${reasons.special} special, ${reasons.character} single characters, ${reasons.used} of the texts, ${reasons.passed} on the path to others\n\n`,
    );
    printCoverage([...plan.vocabularyFiles, ...plan.checks], out);
    printRemoved(plan.removed, out);
  } else out.write("\n");
  const sizeRow = (name: string, before: number, after: number): readonly string[] => {
    return [name, String(before), String(after), formatShare(after, before)];
  };
  const all = (key: "bytes" | "shrunkBytes"): number =>
    sizes[key] + sumOf(files, (file) => file[key]);
  const table = formatTable({
    header: ["bytes", "before", "after", "share"],
    rows: [
      ...sizes.tensors.map(({ name, bytes, shrunkBytes }) => sizeRow(name, bytes, shrunkBytes)),
      sizeRow("weights", sizes.bytes, sizes.shrunkBytes),
      ...files.map(({ name, bytes, shrunkBytes }) => sizeRow(name, bytes, shrunkBytes)),
      sizeRow("all of these files", all("bytes"), all("shrunkBytes")),
    ],
  });
  out.write(`${table}\n\n`);
  for (const name of sizes.leftOut) out.write(`not copied: ${name}, which holds other weights\n`);
  out.write(`${to}: in ${formatSeconds(seconds)} s\n`);
}

function printCoverage(files: readonly FileCoverage[], out: TextOutput): void {
  const table = formatTable({
    header: ["same ids", "rows", "share", "tokens", "share", "unknown before", "after"],
    rows: files.map(({ path, ...one }) => [
      path,
      `${one.sameRows}/${one.rows}`,
      formatShare(one.sameRows, one.rows),
      `${one.sameTokens}/${one.tokens}`,
      formatShare(one.sameTokens, one.tokens),
      String(one.unknownBefore),
      String(one.unknownAfter),
    ]),
  });
  out.write(`${table}\n\n`);
}

/** Lists the removed tokens that texts have, and sums up what becomes of them. */
function printRemoved(removed: readonly RemovedToken[], out: TextOutput): void {
  if (removed.length === 0) return;
  const table = formatTable({
    header: ["removed", "in files", "in checks", "becomes"],
    rows: removed
      .slice(0, LISTED_TOKENS)
      .map(({ token, inFiles, inChecks, becomes }) => [
        token,
        String(inFiles),
        String(inChecks),
        becomes?.join(" ") ?? "unknown",
      ]),
  });
  const lost = removed.filter(({ becomes }) => becomes === null);
  const timesOf = (tokens: readonly RemovedToken[]): number =>
    sumOf(tokens, ({ inFiles, inChecks }) => inFiles + inChecks);
  const divided = removed.filter(({ becomes }) => becomes !== null);
  out.write(
    `${table}\n\nof ${removed.length} removed tokens in the texts, ${divided.length} (${timesOf(divided)} times) are divided into others, ${lost.length} (${timesOf(lost)} times) become unknown\n\n`,
  );
}
