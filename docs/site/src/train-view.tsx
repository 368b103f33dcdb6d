/** The view "Train": fine-tunes and prunes a classifier in this browser, and hands its models over. */
import { useEffect } from "preact/hooks";
import { formatBytes } from "../../../src/report/table.ts";
import { CodeBlock } from "./code-block.tsx";
import { saveFile } from "./save-file.ts";
import { TrainForm } from "./train-form.tsx";
import { ownRows, type TrainingGiven, trainingCommands, useTrainOptions } from "./train-options.ts";
import { TrainedLayers } from "./trained-layers.tsx";
import { TrainingCurves } from "./training-curves.tsx";
import type { Activity } from "./use-activity.ts";
import type { TrainingControl } from "./use-training.ts";
import type { GivenFile } from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface TrainViewProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly training: TrainingControl;
  readonly given: TrainingGiven;
  readonly onForget: () => void;
  /** Opens a packed model in the view "Run". */
  readonly onRun: (files: readonly GivenFile[]) => void;
}

const DOWNLOAD_ADVICE = "Free some memory or storage, and try again.";

export function TrainView(props: TrainViewProps) {
  const { client, activity, training, given } = props;
  const { view } = training;
  const form = useTrainOptions();
  const own = ownRows(given);
  useEffect(training.find, []);
  const saveInputs = (): void => {
    void activity.run("Writing the rows", DOWNLOAD_ADVICE, async (context) => {
      const files = await client.run("trainingInputs", own, context);
      for (const { path, content } of files) saveFile(path, content);
      return `${files.map(({ path }) => path).join(", ")}.`;
    });
  };
  const needsFiles = own === null || own.model.length === 0;
  return (
    <>
      <h2>Train</h2>
      <Data given={given} onForget={props.onForget} />
      <TrainForm
        {...form}
        isRunning={view.isRunning}
        onTrain={() => training.start({ settings: form.settings, own })}
        onPause={training.pause}
        onStop={training.stop}
      />
      <Saved training={training} />
      {view.notices.length > 0 && (
        <ul class="account">
          {view.notices.map((notice) => (
            <li key={notice}>{notice}</li>
          ))}
        </ul>
      )}
      <Models {...props} />
      <TrainingCurves history={view.history} />
      {view.weights !== null && <TrainedLayers client={client} weights={view.weights} />}
      <h2>The same without this page</h2>
      <CodeBlock title="Commands" code={trainingCommands(form.settings, own).join("\n")} />
      {needsFiles && (
        <p>
          <button type="button" disabled={view.isRunning} onClick={saveInputs}>
            Download the files that the commands read
          </button>
        </p>
      )}
    </>
  );
}

function Data({ given, onForget }: Pick<TrainViewProps, "given" | "onForget">) {
  const { rows, validationRows, model } = given;
  const bytes = model.reduce((total, { content }) => total + content.size, 0);
  const facts: readonly (readonly [string, string])[] = [
    [
      "rows",
      rows === null
        ? "a generated task: is a statement about two numbers true?"
        : `${rows.path}, ${formatBytes(rows.content.size)}`,
    ],
    [
      "validation rows",
      validationRows?.path ?? (rows === null ? "generated" : "a tenth of the rows"),
    ],
    [
      "model",
      rows !== null && model.length > 0
        ? `${model.length} files, ${formatBytes(bytes)}`
        : `a small BERT with random weights, for texts of 32 tokens${rows === null ? "" : "; its vocabulary comes from the rows"}`,
    ],
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
      {model.length > 0 && rows === null && (
        <p class="note">The model is used when you choose rows too.</p>
      )}
      {(rows !== null || model.length > 0) && (
        <div class="buttons">
          <button type="button" onClick={onForget}>
            Use the generated task
          </button>
        </div>
      )}
    </div>
  );
}

/** A paused run, or one that a reload ended. */
function Saved({ training }: Pick<TrainViewProps, "training">) {
  const { saved, unsaved, isRunning } = training.view;
  if (isRunning || saved === null)
    return unsaved === "" ? null : (
      <p class="warning">{`The run does not go on after a reload. ${unsaved}`}</p>
    );
  const rows = saved.rows ?? "the generated task";
  const place =
    saved.step === 0 ? "before its first step" : `after step ${saved.step} of ${saved.total}`;
  return (
    <div class="card">
      <p>{`A run on ${rows} to ${saved.settings.pattern} is kept ${place}.`}</p>
      {unsaved !== "" && <p class="warning">{`A reload ends it. ${unsaved}`}</p>}
      <div class="buttons">
        <button type="button" onClick={training.resume}>
          Resume
        </button>
        <button type="button" onClick={training.stop}>
          Discard
        </button>
      </div>
    </div>
  );
}

function Models({ client, activity, training: { view }, onRun }: TrainViewProps) {
  const load = (name: string, isPacked: boolean, use: (files: readonly GivenFile[]) => string) => {
    const label = isPacked ? "Packing" : "Writing";
    void activity.run(label, DOWNLOAD_ADVICE, async (context) =>
      use(await client.run("trainedFiles", { name, isPacked }, context)),
    );
  };
  const save = (files: readonly GivenFile[]): string => {
    for (const { path, content } of files) saveFile(path, content);
    const bytes = files.reduce((total, { content }) => total + content.size, 0);
    return `${files.length} files: ${formatBytes(bytes)}.`;
  };
  if (view.models.length === 0) return null;
  return (
    <>
      <h2>Models</h2>
      {view.models.map(({ name, bytes }) => (
        <div key={name} class="card">
          <h3>{`${name}: ${formatBytes(bytes)}`}</h3>
          <div class="buttons">
            <button type="button" disabled={view.isRunning} onClick={() => load(name, false, save)}>
              {`Download ${name}`}
            </button>
            <button type="button" disabled={view.isRunning} onClick={() => load(name, true, save)}>
              {`Download ${name}, packed`}
            </button>
            <button
              type="button"
              disabled={view.isRunning}
              onClick={() =>
                load(name, true, (files) => {
                  onRun(files);
                  return "";
                })
              }
            >
              {`Run ${name}, packed`}
            </button>
          </div>
        </div>
      ))}
    </>
  );
}
