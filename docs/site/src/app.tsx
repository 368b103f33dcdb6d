/** The page: takes files, opens them in the worker, and shows them. */
import { useCallback, useMemo, useState } from "preact/hooks";
import { ActivityBar } from "./activity-bar.tsx";
import { type ComparedFiles, NOTHING_COMPARED, withCompared } from "./compared-files.ts";
import { FileChooser } from "./file-chooser.tsx";
import { InspectView } from "./inspect-view.tsx";
import { lazyView } from "./lazy-view.tsx";
import { PruneView } from "./prune-view.tsx";
import { RunView } from "./run-view.tsx";
import { NOTHING_GIVEN, withFiles } from "./train-options.ts";
import { useActivity } from "./use-activity.ts";
import { useTraining } from "./use-training.ts";
import { useView, ViewLinks } from "./view-links.tsx";
import { VisitNote } from "./visit-note.tsx";
import type { GivenFile, InspectedTensor, OpenedCheckpoint } from "./worker/protocol.ts";
import { createWorkerClient } from "./worker-client.ts";

const ADVICE =
  "Choose the whole file again, or all files of the model's folder. A file that is cut off has to be downloaded again.";

/** An open checkpoint. Each opening has its own number, so that views begin again. */
interface Opening {
  readonly number: number;
  readonly files: readonly GivenFile[];
  readonly opened: OpenedCheckpoint;
  readonly inspected: ReadonlyMap<string, InspectedTensor>;
}

let openings = 0;

function nextNumber(): number {
  openings += 1;
  return openings;
}

function startWorker(): Worker {
  return new Worker(new URL("./worker/main.ts", import.meta.url), { type: "module" });
}

const CompareView = lazyView(async () => (await import("./compare-view.tsx")).CompareView);
const TrainView = lazyView(async () => (await import("./train-view.tsx")).TrainView);

export function App() {
  const client = useMemo(() => createWorkerClient(startWorker), []);
  const activity = useActivity();
  const [view, setView] = useView();
  const [opening, setOpening] = useState<Opening | null>(null);
  const { run } = activity;
  const open = useCallback(
    (files: readonly GivenFile[] | null): void => {
      void run("Opening", ADVICE, async (context) => {
        setOpening(null);
        const given = files ?? (await client.run("example", null, context));
        const opened = await client.run("open", given, context);
        setOpening({ number: nextNumber(), files: given, opened, inspected: new Map() });
        return `${opened.path} is open.`;
      });
    },
    [client, run],
  );
  const addInspected = useCallback(
    (inspected: ReadonlyMap<string, InspectedTensor>) =>
      setOpening((last) => last && { ...last, inspected }),
    [],
  );
  const training = useTraining(client, activity);
  const [given, setGiven] = useState(NOTHING_GIVEN);
  const [compared, setCompared] = useState<ComparedFiles>(NOTHING_COMPARED);
  const isTraining = view === "train";
  const isComparing = view === "compare";
  const openFiles = useCallback(
    (files: readonly GivenFile[]) => {
      if (isTraining) setGiven((last) => withFiles(last, files));
      else if (isComparing) setCompared((last) => withCompared(last, files));
      else open(files);
    },
    [open, isTraining, isComparing],
  );
  const runFiles = useCallback(
    (files: readonly GivenFile[]) => {
      setView("run");
      open(files);
    },
    [open, setView],
  );
  const openExample = useCallback(() => open(null), [open]);
  return (
    <>
      <header>
        <h1>Espalier</h1>
        <p>
          Inspect, verify and prune a checkpoint, train a text classifier and run it, in this page.
          The code of the commands does all work in this browser; nothing is uploaded.
        </p>
        <VisitNote />
        <ViewLinks view={view} onView={setView} />
      </header>
      <main>
        <FileChooser
          takes={isTraining ? "rows" : isComparing ? "masks" : "checkpoint"}
          onFiles={openFiles}
          onExample={view === "inspect" || view === "prune" ? openExample : null}
        />
        <ActivityBar activity={activity} />
        {opening !== null && view === "inspect" && (
          <InspectView
            key={opening.number}
            client={client}
            activity={activity}
            opened={opening.opened}
            inspected={opening.inspected}
            onInspected={addInspected}
          />
        )}
        {opening !== null && view === "prune" && (
          <PruneView
            key={opening.number}
            client={client}
            activity={activity}
            opened={opening.opened}
          />
        )}
        {isTraining && (
          <TrainView
            client={client}
            activity={activity}
            training={training}
            given={given}
            onForget={() => setGiven(NOTHING_GIVEN)}
            onRun={runFiles}
          />
        )}
        {isComparing && (
          <CompareView
            client={client}
            activity={activity}
            given={compared}
            onFiles={openFiles}
            onForget={() => setCompared(NOTHING_COMPARED)}
          />
        )}
        {opening !== null && view === "run" && (
          <RunView key={opening.number} client={client} activity={activity} files={opening.files} />
        )}
      </main>
    </>
  );
}
