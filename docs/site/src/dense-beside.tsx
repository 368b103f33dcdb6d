/** The model beside the same weights in dense form: bytes, and the time for the same texts. */
import { useState } from "preact/hooks";
import { formatBytes } from "../../../src/report/table.ts";
import { TableHead } from "./table-head.tsx";
import type { Activity } from "./use-activity.ts";
import type { DenseComparison, GivenText } from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface DenseBesideProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly texts: readonly GivenText[];
}

const ADVICE = "Use fewer texts, or a smaller model.";

export function DenseBeside({ client, activity, texts }: DenseBesideProps) {
  const [found, setFound] = useState<DenseComparison | null>(null);
  const compare = (): void => {
    void activity.run("Timing both models", ADVICE, async (context) => {
      const next = await client.run("compareDense", texts, context);
      setFound(next);
      return `This model: ${next.own.toFixed(1)} ms; dense: ${next.dense.toFixed(1)} ms.`;
    });
  };
  const rows =
    found === null
      ? []
      : ([
          ["this model", found.ownBytes, found.own],
          ["dense weights", found.denseBytes, found.dense],
        ] as const);
  return (
    <section class="card" aria-label="Beside the dense model">
      <div class="buttons">
        <button type="button" onClick={compare}>
          Time it beside the dense model
        </button>
      </div>
      {rows.length > 0 && (
        <table>
          <TableHead names={["model", "bytes", "milliseconds"]} />
          <tbody>
            {rows.map(([name, bytes, milliseconds]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{formatBytes(bytes)}</td>
                <td>{milliseconds.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
