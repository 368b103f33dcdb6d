/** The view "Run": classifies typed or pasted texts with the given model. */
import { useEffect, useRef, useState } from "preact/hooks";
import { formatBytes } from "../../../src/report/table.ts";
import { DenseBeside } from "./dense-beside.tsx";
import { TableHead } from "./table-head.tsx";
import type { Activity } from "./use-activity.ts";
import { useQuery } from "./use-query.ts";
import type {
  Classified,
  GivenFile,
  GivenText,
  LoadedClassifier,
  Variant,
} from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface RunViewProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly files: readonly GivenFile[];
}

const ADVICE =
  "Choose the folder of a text classifier with config.json, its tokenizer and weights, plain or packed, or a model in one file that bundle wrote.";

/** Loads the model when the view opens and when the variant changes. */
function useClassifier({ client, activity: { run }, files }: RunViewProps, variant: Variant) {
  const [loaded, setLoaded] = useState<LoadedClassifier | null>(null);
  useEffect(() => {
    void run("Loading the model", ADVICE, async (context) => {
      setLoaded(null);
      const found = await client.run("load", { files, variant }, context);
      setLoaded(found);
      return `The model is loaded, with kernels ${found.variant}.`;
    });
  }, [client, run, files, variant]);
  return loaded;
}

/** The texts of lines. A tab separates a pair. */
function textsOf(lines: string): readonly GivenText[] {
  return lines
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [text = "", textPair] = line.split("\t");
      return textPair === undefined ? { text } : { text, textPair };
    });
}

function textOf({ text, textPair }: GivenText): GivenText {
  return textPair === undefined ? { text } : { text, textPair };
}

export function RunView(props: RunViewProps) {
  const { client, activity, files } = props;
  const [variantText, setVariant] = useQuery("variant", "simd");
  const variant: Variant = variantText === "fma" ? "fma" : "simd";
  const loaded = useClassifier(props, variant);
  const [classified, setClassified] = useState<Classified | null>(null);
  const bytes = files.reduce((total, { content }) => total + content.size, 0);
  const classify = (texts: readonly GivenText[]): void => {
    const advice = "Shorten the texts, or write a tab between the two texts of a pair.";
    void activity.run("Classifying", advice, async (context) => {
      const found = await client.run("classify", texts, context);
      setClassified(found);
      const time = `${found.milliseconds.toFixed(1)} ms`;
      const [only] = found.rows;
      if (found.rows.length === 1) return `${only?.answer}, in ${time}.`;
      const each = (found.milliseconds / found.rows.length).toFixed(2);
      return `${found.rows.length} texts in ${time}, ${each} ms each.`;
    });
  };
  return (
    <>
      <h2>Run</h2>
      <div class="card">
        <table class="settings">
          <tbody>
            <tr>
              <th scope="row">files</th>
              <td>{`${files.length}, ${formatBytes(bytes)}`}</td>
            </tr>
            <tr>
              <th scope="row">labels</th>
              <td>{loaded === null ? "..." : loaded.labels.join(", ")}</td>
            </tr>
            <tr>
              <th scope="row">
                <label for="variant">kernels</label>
              </th>
              <td>
                <select
                  id="variant"
                  value={variant}
                  onChange={({ currentTarget }) => setVariant(currentTarget.value)}
                >
                  <option value="simd">simd</option>
                  <option value="fma">fma</option>
                </select>
              </td>
            </tr>
          </tbody>
        </table>
        {loaded?.notices.map((notice) => (
          <p key={notice} class="note">
            {notice}
          </p>
        ))}
      </div>
      <TextForm isReady={loaded !== null} onTexts={classify} />
      <LinesForm isReady={loaded !== null} onTexts={classify} />
      {classified !== null && loaded !== null && (
        <>
          <DenseBeside client={client} activity={activity} texts={classified.rows.map(textOf)} />
          <Answers classified={classified} labels={loaded.labels} />
        </>
      )}
    </>
  );
}

interface TextsProps {
  readonly isReady: boolean;
  readonly onTexts: (texts: readonly GivenText[]) => void;
}

function TextForm({ isReady, onTexts }: TextsProps) {
  const [text, setText] = useState("");
  const [textPair, setTextPair] = useState("");
  return (
    <form
      class="card form"
      onSubmit={(event) => {
        event.preventDefault();
        onTexts([textPair === "" ? { text } : { text, textPair }]);
      }}
    >
      <label class="wide">
        Text
        <input
          value={text}
          required
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <label class="wide">
        Second text, for pairs
        <input value={textPair} onInput={({ currentTarget }) => setTextPair(currentTarget.value)} />
      </label>
      <button type="submit" disabled={!isReady}>
        Classify
      </button>
    </form>
  );
}

function LinesForm({ isReady, onTexts }: TextsProps) {
  // The field keeps its own text, which may be long.
  const field = useRef<HTMLTextAreaElement>(null);
  return (
    <form
      class="card form"
      onSubmit={(event) => {
        event.preventDefault();
        const texts = textsOf(field.current?.value ?? "");
        if (texts.length > 0) onTexts(texts);
      }}
    >
      <label class="wide">
        Texts, one a line; a tab separates a pair
        <textarea ref={field} rows={4} required />
      </label>
      <button type="submit" disabled={!isReady}>
        Classify all
      </button>
    </form>
  );
}

/** The most rows that the page shows. */
const SHOWN = 500;

function Answers({
  classified: { rows },
  labels,
}: {
  readonly classified: Classified;
  readonly labels: readonly string[];
}) {
  const isShared = rows.some(({ probabilities }) => probabilities.length > 0);
  const columns = isShared ? labels : [];
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard
    <section class="card tensors" aria-label="Answers" tabIndex={0}>
      <table class="sticky stack">
        <TableHead names={["text", "answer", ...columns]} />
        <tbody>
          {rows.slice(0, SHOWN).map(({ text, textPair, answer, probabilities }, i) => (
            // The same text may be in several lines.
            <tr key={`${i} ${text}`}>
              <th scope="row">{textPair === undefined ? text : `${text} / ${textPair}`}</th>
              <td data-label="answer">{answer}</td>
              {columns.map((label, k) => (
                <td key={label} data-label={label}>
                  {(probabilities[k] ?? 0).toFixed(4)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > SHOWN && <p class="note">{`The first ${SHOWN} of ${rows.length}.`}</p>}
    </section>
  );
}
