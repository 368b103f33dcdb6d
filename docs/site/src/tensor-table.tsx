/** The tensors of a checkpoint. The name of a tensor is a button that shows its values. */
import { formatBytes, formatShare } from "../../../src/report/table.ts";
import type { InspectedTensor, ListedTensor } from "./worker/protocol.ts";

interface TensorTableProps {
  readonly tensors: readonly ListedTensor[];
  readonly inspected: ReadonlyMap<string, InspectedTensor>;
  readonly selected: string;
  readonly onSelect: (tensor: string) => void;
}

/** The patterns of a weight as `inspect` prints them: N:M without a share. */
export function patternsText({ patterns }: InspectedTensor): string {
  return patterns
    .map(({ pattern, share }) =>
      pattern.includes(":") ? pattern : `${pattern} ${share.toFixed(4)}`,
    )
    .join(", ");
}

function cellsOf(
  { role, axes, dtype, shape, bytes }: ListedTensor,
  found: InspectedTensor | undefined,
): readonly (readonly [label: string, text: string, kind: "text" | "number"])[] {
  const isWeight = found?.isWeight === true;
  return [
    ["role", role, "text"],
    ["axes", axes, "text"],
    ["dtype", dtype, "text"],
    ["shape", shape.join("x") || "scalar", "number"],
    ["bytes", formatBytes(bytes), "number"],
    ["packed", found === undefined ? "" : formatBytes(found.packedBytes), "number"],
    ["zeros", isWeight ? formatShare(found.zeros, found.elements) : "", "number"],
    ["patterns", isWeight ? patternsText(found) : "", "text"],
  ];
}

const COLUMNS = ["role", "axes", "dtype", "shape", "bytes", "packed", "zeros", "patterns"];
const TEXT = new Set(["role", "axes", "dtype", "patterns"]);

/** A name that breaks after its separators. */
function TensorName({ name }: { readonly name: string }) {
  const parts = name.split(/(?<=[._/])/);
  return <>{parts.flatMap((part, i) => (i === 0 ? [part] : [<wbr key={part} />, part]))}</>;
}

export function TensorTable({ tensors, inspected, selected, onSelect }: TensorTableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard
    <section class="card tensors" aria-label="Tensors" tabIndex={0}>
      <table class="sticky stack">
        <thead>
          <tr>
            <th scope="col">tensor</th>
            {COLUMNS.map((name) => (
              <th key={name} scope="col" class={TEXT.has(name) ? "text" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {tensors.map((tensor) => (
            <tr key={tensor.name} class={tensor.name === selected ? "selected" : undefined}>
              <th scope="row">
                <button
                  type="button"
                  class="link"
                  aria-pressed={tensor.name === selected}
                  onClick={() => onSelect(tensor.name)}
                >
                  <TensorName name={tensor.name} />
                </button>
              </th>
              {cellsOf(tensor, inspected.get(tensor.name)).map(([label, text, kind]) => (
                <td key={label} data-label={label} class={kind === "text" ? "text" : undefined}>
                  {text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
