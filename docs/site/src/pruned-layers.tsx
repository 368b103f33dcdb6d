/** The layers of a pruned checkpoint, with a bar for the share of zeros. */
import { formatBytes, formatShare } from "../../../src/report/table.ts";
import { TableHead } from "./table-head.tsx";
import type { PruneReport } from "./worker/protocol.ts";

interface PrunedLayersProps {
  readonly report: PruneReport;
  readonly selected: string;
  readonly onSelect: (tensor: string) => void;
}

export function PrunedLayers({ report, selected, onSelect }: PrunedLayersProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard
    <section class="card tensors" aria-label="Pruned layers" tabIndex={0}>
      <table class="sticky stack">
        <TableHead names={["layer", "shape", "zeros", "share", "bytes", "packed"]} />
        <tbody>
          {report.layers.map(({ name, tensor, shape, zeros, elements, bytes, packedBytes }) => (
            <tr key={name} class={tensor === selected ? "selected" : undefined}>
              <th scope="row">
                <button
                  type="button"
                  class="link"
                  aria-pressed={tensor === selected}
                  onClick={() => onSelect(tensor)}
                >
                  {name}
                </button>
                <svg
                  class="bar"
                  viewBox="0 0 1000 10"
                  preserveAspectRatio="none"
                  aria-hidden="true"
                >
                  <rect class="track" width={1000} height={10} />
                  <rect class="accent" width={(1000 * zeros) / elements} height={10} />
                </svg>
              </th>
              <td data-label="shape">{shape.join("x")}</td>
              <td data-label="zeros">{`${zeros}/${elements}`}</td>
              <td data-label="share">{formatShare(zeros, elements)}</td>
              <td data-label="bytes">{formatBytes(bytes)}</td>
              <td data-label="packed">{formatBytes(packedBytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
