import type { Pattern } from "../prune/pattern.ts";
import type { LayoutSpec } from "../sparse/layout.ts";

/** The compressed layouts of a sparsity pattern: its own, and the one for zeros anywhere. */
export function layoutsFor(pattern: Pattern): readonly LayoutSpec[] {
  const anywhere: LayoutSpec = { layout: "bitmask" };
  if (pattern.kind === "group")
    return [{ layout: "groups", prune: pattern.prune, of: pattern.of }, anywhere];
  const { height, width } = pattern;
  if (height === "channel" || width === "channel") return [{ layout: "channels" }, anywhere];
  return [{ layout: "blocks", block: [height, width] }, anywhere];
}
