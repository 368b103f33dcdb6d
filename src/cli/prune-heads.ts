/** `espalier prune --pattern mha`: prunes whole attention heads in one shot, into a copy. */
import { getOrThrow, InputError, type Problem } from "../core/either.ts";
import { sumOf } from "../core/sum.ts";
import { copyCheckpoint } from "../node/checkpoint-writer.ts";
import { nodeStorage } from "../node/storage.ts";
import { formatShare, formatTable } from "../report/table.ts";
import { drawHeads, type HeadChoice, type LayerHeads, pruneHeads } from "../run/pruned-heads.ts";
import { readShrinkable } from "../run/shrinkable-directory.ts";
import { findCopied, withCheckpoint } from "./checkpoint-run.ts";
import type { ExitCode } from "./command.ts";
import type { Console } from "./console.ts";

/** The options of `prune` that apply to heads, and others that are refused. */
interface HeadValues extends Omit<HeadChoice, "profile" | "sparsity"> {
  readonly out?: string | undefined;
  readonly sparsity?: number | undefined;
  readonly profile?: HeadChoice["profile"] | undefined;
  readonly criterion?: string | undefined;
}

/** Options that have no meaning for heads: tensors are found by the architecture, and scored by magnitude. */
const OTHERS = [
  "gradients",
  "threads",
  "gzip",
  "role",
  "axes",
  "strictRoles",
  "config",
  "statistics",
  "damping",
  "maxCycles",
] as const;

function problemsOf(values: HeadValues & Readonly<Record<string, unknown>>): readonly Problem[] {
  const { sparsity, criterion = "magnitude" } = values;
  const others = OTHERS.filter((key) => values[key] !== undefined);
  return [
    ...others.map((key) => {
      return { path: `\`${key}\``, expected: "no such option with the pattern mha", got: "one" };
    }),
    ...(criterion === "magnitude"
      ? []
      : [{ path: "`criterion`", expected: "magnitude for the pattern mha", got: criterion }]),
    ...(sparsity === undefined
      ? [{ path: "`sparsity`", expected: "a number at least 0 and below 1", got: "none" }]
      : []),
  ];
}

function print(
  layers: readonly LayerHeads[],
  { from, to, profile }: Readonly<Record<"from" | "to" | "profile", string>>,
  json: boolean,
  { out }: Console,
): void {
  const kept = ({ heads }: LayerHeads): number => heads.filter((bit) => bit === 1).length;
  const all = sumOf(layers, ({ heads }) => heads.length);
  const pruned = all - sumOf(layers, kept);
  if (json) {
    out.write(`${JSON.stringify({ from, to, profile, pattern: "mha", layers, pruned, all })}\n`);
    return;
  }
  const table = formatTable({
    header: ["attention layer", "heads", "kept"],
    rows: layers.map((layer) => [
      layer.name,
      drawHeads(layer),
      `${kept(layer)}/${layer.heads.length}`,
    ]),
  });
  out.write(`${from} pruned at once, profile ${profile}\n\n${table}\n\n`);
  out.write(`mha: ${pruned} of ${all} heads (${formatShare(pruned, all)})\n`);
  out.write(`${to}: shrink --heads remove makes it smaller\n`);
}

/** Runs `prune` for the pattern `mha`. */
export async function pruneHeadsCommand(
  values: HeadValues & Readonly<Record<string, unknown>>,
  from: string,
  json: boolean,
  console: Console,
): Promise<ExitCode> {
  const problems = problemsOf(values);
  const { profile = "strict", sparsity = 0, out } = values;
  if (problems.length > 0) throw new InputError(problems);
  const { place, to } = await findCopied(from, out, "the copy");
  const directory = getOrThrow(
    await readShrinkable(nodeStorage, { name: from, path: place.path }, "IN"),
  );
  return withCheckpoint(place, async (checkpoint) => {
    const { layers, change } = pruneHeads(directory, checkpoint, { ...values, profile, sparsity });
    const turn = async (): Promise<void> => console.signal.throwIfAborted();
    await copyCheckpoint({ checkpoint, from: place.path, to, change, turn });
    print(layers, { from, to, profile }, json, console);
    return 0;
  });
}
