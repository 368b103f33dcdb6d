/** The view "Inspect and verify" of an open checkpoint. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { formatBytes, formatShare } from "../../../src/report/table.ts";
import { LayerDetail } from "./layer-detail.tsx";
import { TensorTable } from "./tensor-table.tsx";
import type { Activity } from "./use-activity.ts";
import { useQuery } from "./use-query.ts";
import { VerifyForm } from "./verify-form.tsx";
import type { InspectedTensor, OpenedCheckpoint, Violation } from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface InspectViewProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly opened: OpenedCheckpoint;
  readonly inspected: ReadonlyMap<string, InspectedTensor>;
  readonly onInspected: (inspected: ReadonlyMap<string, InspectedTensor>) => void;
}

/** The formats of checkpoints other than plain safetensors. */
const FORMS: Readonly<Record<string, string>> = { packed: ", packed", torch: ", a state dict" };

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function Facts({ opened, inspected }: Pick<InspectViewProps, "opened" | "inspected">) {
  const { path, layout, files, bytes, tensors } = opened;
  const found = [...inspected.values()];
  const weights = found.filter(({ isWeight }) => isWeight);
  const [zeros, elements] = [
    sum(weights.map((one) => one.zeros)),
    sum(weights.map((one) => one.elements)),
  ];
  const nonFinite = sum(weights.map((one) => one.nonFinite));
  const packed = sum(found.map(({ packedBytes }) => packedBytes));
  const isDone = found.length > 0;
  const facts: readonly (readonly [string, string])[] = [
    [
      "checkpoint",
      `${path}: ${files === 1 ? "one file" : `${files} files`}${FORMS[layout] ?? ""}, ${formatBytes(bytes)}`,
    ],
    ["tensors", String(tensors.length)],
    [
      "zeros in the weights of layers",
      isDone ? `${formatShare(zeros, elements)} (${zeros} of ${elements})` : "...",
    ],
    [
      layout === "packed" ? "packed bytes" : "packed bytes in the smallest layouts",
      isDone ? formatBytes(packed) : "...",
    ],
    ...(nonFinite === 0 ? [] : [["values that are not finite", String(nonFinite)] as const]),
  ];
  return (
    <div class="card">
      <table class="settings">
        <tbody>
          {facts.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Returns the tensor of a name, or the first weight of layers. */
export function tensorNamed(tensors: OpenedCheckpoint["tensors"], name: string) {
  return (
    tensors.find((tensor) => tensor.name === name) ??
    tensors.find(({ axes }) => axes !== "") ??
    tensors[0]
  );
}

const ADVICE = "Choose the whole file again; one that is cut off has to be downloaded again.";

/** Reads the values of all tensors, unless that was done before. */
function useInspection({
  client,
  activity: { run },
  opened,
  inspected,
  onInspected,
}: InspectViewProps) {
  const inspect = useCallback((): void => {
    void run("Reading tensors", ADVICE, async (context) => {
      const found = await client.run("inspect", null, context);
      onInspected(new Map(found.map((tensor) => [tensor.name, tensor])));
      return `${opened.path}: ${opened.tensors.length} tensors read.`;
    });
  }, [client, run, opened, onInspected]);
  const isDone = inspected.size > 0;
  useEffect(() => {
    if (!isDone) inspect();
  }, [isDone, inspect]);
  return inspect;
}

export function InspectView(props: InspectViewProps) {
  const { client, activity, opened, inspected } = props;
  const inspect = useInspection(props);
  const [name, setName] = useQuery("tensor", "");
  const [layerName, setLayerName] = useState("");
  const [violation, setViolation] = useState<Violation | null>(null);
  const detail = useRef<HTMLDivElement>(null);
  const tensor = tensorNamed(opened.tensors, name);
  const layer = tensor?.layers.find((one) => one === layerName) ?? tensor?.layers[0];
  const select = (next: string): void => {
    setName(next);
    setViolation(null);
    detail.current?.focus();
  };
  const showViolation = (next: Violation): void => {
    setName(next.tensor);
    setLayerName(next.layer);
    setViolation(next);
    detail.current?.focus();
  };
  return (
    <>
      <h2>Checkpoint</h2>
      <Facts opened={opened} inspected={inspected} />
      {inspected.size === 0 && activity.state.kind !== "running" && (
        <p>
          <button type="button" onClick={inspect}>
            Read all values
          </button>
        </p>
      )}
      <VerifyForm client={client} activity={activity} onViolation={showViolation} />
      <h2>Tensors</h2>
      <TensorTable
        tensors={opened.tensors}
        inspected={inspected}
        selected={tensor?.name ?? ""}
        onSelect={select}
      />
      <div ref={detail} class="target" tabIndex={-1}>
        {tensor !== undefined && layer !== undefined && (
          <LayerDetail
            client={client}
            source="given"
            version={0}
            tensor={tensor}
            layer={layer}
            onLayer={setLayerName}
            violation={violation?.layer === layer ? violation : null}
          />
        )}
      </div>
    </>
  );
}
