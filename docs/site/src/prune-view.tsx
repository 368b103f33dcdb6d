/** The view "Prune" of an open checkpoint: a preview while options change, and the pruned files. */
import { useEffect, useState } from "preact/hooks";
import { formatBytes, formatShare } from "../../../src/report/table.ts";
import { CodeBlock } from "./code-block.tsx";
import { tensorNamed } from "./inspect-view.tsx";
import { LayerDetail } from "./layer-detail.tsx";
import { PruneForm } from "./prune-form.tsx";
import {
  apiCall,
  commandLines,
  copyName,
  type PruneOptions,
  usePruneOptions,
} from "./prune-options.ts";
import { PrunedLayers } from "./pruned-layers.tsx";
import { saveFile } from "./save-file.ts";
import type { Activity } from "./use-activity.ts";
import { useQuery } from "./use-query.ts";
import type { GivenFile, OpenedCheckpoint, PruneReport, PruneRequest } from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface PruneViewProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly opened: OpenedCheckpoint;
}

/** How long options have to stay the same before the preview begins, in milliseconds. */
const PAUSE = 150;
/** Larger checkpoints are pruned when the visitor asks for it. */
const MOST_PREVIEWED = 2 ** 29;

const ADVICE = "Change the options above. If the browser has too little storage, free some of it.";

function requestOf(options: PruneOptions, gradients: GivenFile | null): PruneRequest {
  const { pattern, sparsity, criterion, excludeHead, least, most } = options;
  return {
    pattern,
    sparsity,
    criterion,
    excludeHead,
    scope: options.scope === "local" ? "local" : "global",
    profile: options.profile === "inc" ? "inc" : "strict",
    minSparsityPerLayer: Number(least),
    maxSparsityPerLayer: most === "" ? null : Number(most),
    gradients: criterion === "magnitude" ? null : gradients,
  };
}

/** The newest report, with a number that changes with it. */
interface Preview {
  readonly version: number;
  readonly report: PruneReport;
}

/** Prunes when the options have stayed the same for a moment. */
function usePreview(
  { client, activity: { run }, opened }: PruneViewProps,
  options: PruneOptions,
  gradients: GivenFile | null,
) {
  const [preview, setPreview] = useState<Preview | null>(null);
  const key = JSON.stringify(options);
  const isSmall = opened.bytes <= MOST_PREVIEWED;
  const prune = (): void => {
    void run("Pruning", ADVICE, async (context) => {
      const report = await client.run("prune", requestOf(options, gradients), context);
      setPreview((old) => ({ version: (old?.version ?? 0) + 1, report }));
      return `${report.pattern}: ${report.prunedBlocks} of ${report.blocks} blocks pruned.`;
    });
  };
  // The key stands for the options.
  useEffect(() => {
    if (!isSmall) return;
    const timer = setTimeout(prune, preview === null ? 0 : PAUSE);
    return () => clearTimeout(timer);
  }, [key, gradients, isSmall]);
  return { preview, prune, isSmall };
}

export function PruneView(props: PruneViewProps) {
  const { client, activity, opened } = props;
  const form = usePruneOptions();
  const { options } = form;
  const [gradients, setGradients] = useState<GivenFile | null>(null);
  const { preview, prune, isSmall } = usePreview(props, options, gradients);
  const [name, setName] = useQuery("tensor", "");
  const [layerName, setLayerName] = useState("");
  const tensor = tensorNamed(opened.tensors, name);
  const layer = tensor?.layers.find((one) => one === layerName) ?? tensor?.layers[0];
  const file = options.criterion === "magnitude" ? null : (gradients?.path ?? "FILE");
  const call = apiCall(opened, options, file);
  return (
    <>
      <h2>Prune</h2>
      <PruneForm {...form} gradients={gradients} onGradients={setGradients} />
      {!isSmall && (
        <p>
          <button type="button" onClick={prune}>
            Prune
          </button>
        </p>
      )}
      {preview !== null && (
        <>
          <Download client={client} activity={activity} opened={opened} report={preview.report} />
          <h2>Layers</h2>
          <PrunedLayers report={preview.report} selected={tensor?.name ?? ""} onSelect={setName} />
          {tensor !== undefined && layer !== undefined && (
            <LayerDetail
              client={client}
              source="pruned"
              version={preview.version}
              tensor={tensor}
              layer={layer}
              onLayer={setLayerName}
              violation={null}
            />
          )}
        </>
      )}
      <h2>The same without this page</h2>
      <CodeBlock title="Commands" code={commandLines(opened, options, file).join("\n")} />
      {call !== null && <CodeBlock title="API" code={call} />}
    </>
  );
}

interface DownloadProps extends PruneViewProps {
  readonly report: PruneReport;
}

function Download({ client, activity, opened, report }: DownloadProps) {
  const save = (isPacked: boolean): void => {
    const label = isPacked ? "Packing" : "Writing";
    void activity.run(label, ADVICE, async (context) => {
      const files = await client.run("prunedFiles", { isPacked }, context);
      const own = isPacked ? "pruned.packed.safetensors" : copyName(opened);
      for (const { path, content } of files) saveFile(files.length === 1 ? own : path, content);
      const bytes = files.reduce((total, { content }) => total + content.size, 0);
      return `${files.length === 1 ? own : `${files.length} files`}: ${formatBytes(bytes)}.`;
    });
  };
  const { pattern, prunedBlocks, blocks, bytes, packedBytes, account } = report;
  return (
    <div class="card">
      <p>
        {`${pattern}: ${prunedBlocks} of ${blocks} blocks pruned (${formatShare(prunedBlocks, blocks)}); ` +
          `${formatBytes(bytes)}, packed ${formatBytes(packedBytes)}.`}
      </p>
      <div class="buttons">
        <button type="button" onClick={() => save(false)}>
          Download pruned
        </button>
        <button type="button" onClick={() => save(true)}>
          Download packed
        </button>
      </div>
      <ul class="account">
        {account.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </div>
  );
}
