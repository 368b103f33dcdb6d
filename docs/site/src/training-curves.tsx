/** The curves of a run: loss, metric, and the schedule against the reached sparsity. */
import { Curve } from "./curve.tsx";
import { TableHead } from "./table-head.tsx";
import type { TrainingHistory } from "./worker/training-protocol.ts";

const METRIC_NAMES: Readonly<Record<string, string>> = {
  accuracy: "Accuracy",
  pearson: "Pearson correlation",
  mean_squared_error: "Mean squared error",
};

function formatted(value: number | null): string {
  return value === null ? "" : value.toFixed(4);
}

export function TrainingCurves({ history }: { readonly history: TrainingHistory }) {
  const { points, epochs } = history;
  const steps = points.map(({ step }) => step);
  const metric = METRIC_NAMES[epochs[0]?.metric ?? "accuracy"] ?? "Metric";
  const isShare = metric === "Accuracy";
  return (
    <>
      <h2>Curves</h2>
      <div class="plots">
        <Curve
          title="Training loss"
          steps={steps}
          range={null}
          series={[{ name: "loss", color: "--series-1", values: points.map(({ loss }) => loss) }]}
        />
        <Curve
          key={metric}
          title={`${metric} on validation rows`}
          steps={epochs.map(({ step }) => step)}
          range={isShare ? [0, 1] : null}
          series={[
            {
              name: metric.toLowerCase(),
              color: "--series-1",
              values: epochs.map(({ value }) => value),
              hasPoints: true,
            },
          ]}
        />
        <Curve
          title="Sparsity"
          steps={steps}
          range={[0, 1]}
          series={[
            { name: "target", color: "--series-2", values: points.map(({ target }) => target) },
            { name: "reached", color: "--series-1", values: points.map(({ reached }) => reached) },
          ]}
        />
      </div>
      <details>
        <summary>Epochs in a table</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard */}
        <section class="card tensors" aria-label="Epochs" tabIndex={0}>
          <table class="sticky stack">
            <TableHead
              names={["phase", "epoch", "step", "loss", metric.toLowerCase(), "sparsity"]}
            />
            <tbody>
              {epochs.map(({ phase, pattern, epoch, step, loss, value, sparsity }) => (
                <tr key={`${phase} ${pattern} ${epoch}`}>
                  <th scope="row">{phase === "dense" ? "dense" : `sparse ${pattern}`}</th>
                  <td data-label="epoch">{epoch}</td>
                  <td data-label="step">{step}</td>
                  <td data-label="loss">{formatted(loss)}</td>
                  <td data-label={metric.toLowerCase()}>{formatted(value)}</td>
                  <td data-label="sparsity">{formatted(sparsity)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      </details>
    </>
  );
}
