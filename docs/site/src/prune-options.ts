/** The options of pruning: in the address, as a command line, and as a call of the API. */
import { type Pattern, parsePattern } from "../../../src/prune/pattern.ts";
import { useQuery, useQueryFlag } from "./use-query.ts";
import type { OpenedCheckpoint } from "./worker/protocol.ts";

/** The options as the form has them. An empty bound is not set. */
export interface PruneOptions {
  readonly pattern: string;
  readonly sparsity: number;
  readonly scope: string;
  readonly criterion: string;
  readonly least: string;
  readonly most: string;
  readonly profile: string;
  readonly excludeHead: boolean;
}

/** Returns the greatest share that a pattern can prune. */
export function mostOf(pattern: Pattern | undefined): number {
  return pattern?.kind === "group" ? pattern.prune / pattern.of : 0.99;
}

/** The options with a function for each that changes it. */
export function usePruneOptions() {
  const [pattern, setPattern] = useQuery("prune", "4x1");
  const [sparsity, setSparsity] = useQuery("sparsity", "0.5");
  const [scope, setScope] = useQuery("scope", "global");
  const [criterion, setCriterion] = useQuery("criterion", "magnitude");
  const [least, setLeast] = useQuery("least", "");
  const [most, setMost] = useQuery("most", "");
  const [profile, setProfile] = useQuery("profile", "strict");
  const [excludeHead, setExcludeHead] = useQueryFlag("heads", true);
  const share = Number(sparsity);
  const limit = mostOf(parsePattern(pattern));
  const options: PruneOptions = {
    pattern,
    sparsity: Number.isFinite(share) ? Math.min(limit, Math.max(0, share)) : 0.5,
    scope,
    criterion,
    least,
    most,
    profile,
    excludeHead,
  };
  return {
    options,
    setPattern,
    setSparsity,
    setScope,
    setCriterion,
    setLeast,
    setMost,
    setProfile,
    setExcludeHead,
  };
}

/** The options that are not the defaults, by the names of the API. */
function changed(options: PruneOptions): readonly (readonly [string, string | number | boolean])[] {
  const { scope, criterion, least, most, profile, excludeHead } = options;
  return [
    ["pattern", options.pattern],
    ["sparsity", options.sparsity],
    ...(scope === "global" ? [] : [["scope", scope] as const]),
    ...(criterion === "magnitude" ? [] : [["criterion", criterion] as const]),
    ...(least === "" ? [] : [["minSparsityPerLayer", Number(least)] as const]),
    ...(most === "" ? [] : [["maxSparsityPerLayer", Number(most)] as const]),
    ...(excludeHead ? [] : [["excludeHead", false] as const]),
    ...(profile === "strict" ? [] : [["profile", profile] as const]),
  ];
}

function quoted(text: string): string {
  return /^[\w./:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** The name of the copy in the command line: a file, or a directory for several files. */
export function copyName({ layout }: OpenedCheckpoint): string {
  return layout === "sharded" ? "pruned" : "pruned.safetensors";
}

/** The commands that write the same bytes: `prune`, and `pack` for the packed file. */
export function commandLines(
  opened: OpenedCheckpoint,
  options: PruneOptions,
  gradients: string | null,
): readonly string[] {
  const kebab = (name: string): string => name.replace(/[A-Z]/g, (one) => `-${one.toLowerCase()}`);
  const flags = changed(options).map(
    ([name, value]) => `--${kebab(name)} ${quoted(String(value))}`,
  );
  const file = gradients === null ? [] : [`--gradients ${quoted(gradients)}`];
  const out = copyName(opened);
  const packed = out.endsWith(".safetensors") ? "pruned.packed.safetensors" : "packed";
  return [
    ["espalier prune", quoted(opened.path), ...flags, ...file, `--out ${out}`].join(" "),
    `espalier pack ${out} --out ${packed}`,
  ];
}

/** The call that returns the same bytes; null if the API has none for the files. */
export function apiCall(
  { files, hasConfig, layout }: OpenedCheckpoint,
  options: PruneOptions,
  gradients: string | null,
): string | null {
  if (files > 1 || hasConfig || layout === "torch") return null;
  const entries = changed(options).map(([name, value]) => `  ${name}: ${JSON.stringify(value)},`);
  return [
    'import { pruneSafetensors } from "espalier/checkpoint";',
    "",
    "const { bytes, report } = await pruneSafetensors(file, {",
    ...entries,
    ...(gradients === null ? [] : ["  gradients,"]),
    "});",
  ].join("\n");
}
