/** A histogram of the values of a tensor other than zero. */
import type { Distribution } from "./worker/protocol.ts";

const [WIDTH, HEIGHT, FOOT] = [560, 180, 22];

function formatValue(value: number): string {
  return value === 0 ? "0" : value.toPrecision(3);
}

export function Histogram({ distribution }: { readonly distribution: Distribution }) {
  const { layer, bins, least, greatest, zeros, nonFinite, rows, columns } = distribution;
  const most = Math.max(1, ...bins);
  const step = WIDTH / bins.length;
  const share = rows * columns === 0 ? 0 : zeros / (rows * columns);
  const facts = [
    `${rows} x ${columns} values`,
    `${(100 * share).toFixed(2)} % zeros, which are not drawn`,
    ...(nonFinite === 0 ? [] : [`${nonFinite} values that are not finite`]),
  ].join(", ");
  return (
    <figure class="card">
      <figcaption>
        Values of <code>{layer}</code> <span>{facts}</span>
      </figcaption>
      <svg
        class="plot"
        viewBox={`0 0 ${WIDTH} ${HEIGHT + FOOT}`}
        role="img"
        aria-label={`Histogram of ${layer}: values from ${formatValue(least)} to ${formatValue(greatest)}, ${facts}`}
      >
        {bins.map((count, i) => {
          const height = (HEIGHT * count) / most;
          const x = i * step;
          return (
            <rect
              key={i}
              class="accent"
              x={x}
              y={HEIGHT - height}
              width={step - 1}
              height={height}
            />
          );
        })}
        <line class="axis" x1={0} x2={WIDTH} y1={HEIGHT + 0.5} y2={HEIGHT + 0.5} />
        <text x={0} y={HEIGHT + 16}>
          {formatValue(least)}
        </text>
        <text x={WIDTH} y={HEIGHT + 16} text-anchor="end">
          {formatValue(greatest)}
        </text>
      </svg>
    </figure>
  );
}
