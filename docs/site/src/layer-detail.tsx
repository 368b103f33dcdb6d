/** The values of one tensor: a histogram and a picture of the mask. */
import { useEffect, useState } from "preact/hooks";
import { Histogram } from "./histogram.tsx";
import { MaskPicture } from "./mask-picture.tsx";
import type { Distribution, ListedTensor, Source, Violation } from "./worker/protocol.ts";
import { TaskError, type WorkerClient } from "./worker-client.ts";

interface LayerDetailProps {
  readonly client: WorkerClient;
  readonly source: Source;
  /** Changes when the values of the source do. */
  readonly version: number;
  readonly tensor: ListedTensor;
  readonly layer: string;
  readonly onLayer: (layer: string) => void;
  readonly violation: Violation | null;
}

type Loaded =
  | { readonly kind: "loading" }
  | { readonly kind: "loaded"; readonly distribution: Distribution }
  | { readonly kind: "failed"; readonly problems: readonly string[] };

export function LayerDetail(props: LayerDetailProps) {
  const { client, source, version, tensor, layer, onLayer, violation } = props;
  const [loaded, setLoaded] = useState<Loaded>({ kind: "loading" });
  useEffect(() => {
    let isCurrent = true;
    client.run("distribution", { source, tensor: tensor.name, layer }).then(
      (distribution) => isCurrent && setLoaded({ kind: "loaded", distribution }),
      (error: Error) => {
        const problems = error instanceof TaskError ? error.problems : [error.message];
        if (isCurrent) setLoaded({ kind: "failed", problems });
      },
    );
    return () => {
      isCurrent = false;
    };
  }, [client, source, version, tensor.name, layer]);
  return (
    <section class="detail" aria-labelledby="detail">
      <h2 id="detail">Values</h2>
      {tensor.layers.length > 1 && (
        <p>
          <label>
            Layer{" "}
            <select value={layer} onChange={({ currentTarget }) => onLayer(currentTarget.value)}>
              {tensor.layers.map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </p>
      )}
      {loaded.kind === "failed" && (
        <p class="warning" role="alert">
          {loaded.problems.join("; ")}. Choose another tensor.
        </p>
      )}
      {loaded.kind === "loaded" && (
        <div class="halves">
          <div>
            <Histogram distribution={loaded.distribution} />
          </div>
          <div>
            <MaskPicture
              client={client}
              source={source}
              tensor={tensor.name}
              distribution={loaded.distribution}
              violation={violation}
            />
          </div>
        </div>
      )}
    </section>
  );
}
