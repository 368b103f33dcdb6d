/** The layers of the model that is trained, after its latest epoch, and the mask of one of them. */
import { useState } from "preact/hooks";
import { formatShare } from "../../../src/report/table.ts";
import { tensorNamed } from "./inspect-view.tsx";
import { LayerDetail } from "./layer-detail.tsx";
import { TableHead } from "./table-head.tsx";
import type { TrainingView } from "./use-training.ts";
import type { WorkerClient } from "./worker-client.ts";

interface TrainedLayersProps {
  readonly client: WorkerClient;
  readonly weights: NonNullable<TrainingView["weights"]>;
}

export function TrainedLayers({ client, weights }: TrainedLayersProps) {
  const { version, opened, layers } = weights;
  const first = layers.find(({ zeros }) => zeros > 0) ?? layers[0];
  const [name, setName] = useState(first?.tensor ?? "");
  const [layerName, setLayerName] = useState("");
  const tensor = tensorNamed(opened.tensors, name);
  const layer = tensor?.layers.find((one) => one === layerName) ?? tensor?.layers[0];
  return (
    <>
      <h2>Masks after the latest epoch</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard */}
      <section class="card tensors" aria-label="Trained layers" tabIndex={0}>
        <table class="sticky stack">
          <TableHead names={["layer", "shape", "zeros", "share"]} />
          <tbody>
            {layers.map(({ name: own, tensor: stored, shape, zeros, elements }) => (
              <tr key={own} class={stored === tensor?.name ? "selected" : undefined}>
                <th scope="row">
                  <button
                    type="button"
                    class="link"
                    aria-pressed={stored === tensor?.name}
                    onClick={() => setName(stored)}
                  >
                    {own}
                  </button>
                </th>
                <td data-label="shape">{shape.join("x")}</td>
                <td data-label="zeros">{`${zeros}/${elements}`}</td>
                <td data-label="share">{formatShare(zeros, elements)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {tensor !== undefined && layer !== undefined && (
        <LayerDetail
          client={client}
          source="trained"
          version={version}
          tensor={tensor}
          layer={layer}
          onLayer={setLayerName}
          violation={null}
        />
      )}
    </>
  );
}
