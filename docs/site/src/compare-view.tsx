/** The view "Compare": judges masks and scores of another implementation by a golden vector. */
import { useEffect, useState } from "preact/hooks";
import { Choice } from "./choice.tsx";
import type { ComparedFiles } from "./compared-files.ts";
import { TableHead } from "./table-head.tsx";
import type { Activity } from "./use-activity.ts";
import { useQuery } from "./use-query.ts";
import type { Comparison, GivenFile } from "./worker/protocol.ts";
import { TaskError, type WorkerClient } from "./worker-client.ts";

interface CompareViewProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly given: ComparedFiles;
  readonly onFiles: (files: readonly GivenFile[]) => void;
  readonly onForget: () => void;
}

const VECTORS = new URL("./vectors/", document.baseURI);
const FIRST = "pruning/4x1-snipmom-global-exp";
const ADVICE =
  "A file has the names of the vector's tensors, such as mask/2/LAYER for the mask after step 2, in their shapes. Drop the folder of another vector, or choose one.";

async function fetched(path: string): Promise<Response> {
  const response = await fetch(new URL(path, VECTORS)).catch(() => null);
  if (response?.ok !== true)
    throw new TaskError([`${path}: expected a file of this site. Check the connection.`]);
  return response;
}

/** The vector of the site with a name. */
async function vectorNamed(name: string): Promise<readonly GivenFile[]> {
  return Promise.all(
    ["case.json", "tensors.safetensors"].map(async (path) => {
      return { path, content: await (await fetched(`${name}/${path}`)).blob() };
    }),
  );
}

/** The names of the vectors of the site. */
function useVectorNames(): readonly string[] {
  const [names, setNames] = useState<readonly string[]>([]);
  useEffect(() => {
    fetched("index.json")
      .then((response) => response.json())
      .then(setNames, () => setNames([]));
  }, []);
  return names;
}

export function CompareView({ client, activity, given, onFiles, onForget }: CompareViewProps) {
  const names = useVectorNames();
  const [name, setName] = useQuery("vector", FIRST);
  const [comparison, setComparison] = useState<Comparison | null>(null);
  const { vector, own } = given;
  const isOwnVector = vector.length > 0;
  const { run } = activity;
  useEffect(() => {
    setComparison(null);
    if (own === null) return;
    void run("Comparing", ADVICE, async (context) => {
      const files = isOwnVector ? vector : await vectorNamed(name);
      const found = await client.run("compare", { vector: files, file: own }, context);
      setComparison(found);
      return `The verdict: ${found.status}.`;
    });
  }, [client, run, vector, isOwnVector, own, name]);
  const tryRecorded = (): void => {
    void run("Reading the recorded values", ADVICE, async () => {
      const files = isOwnVector ? vector : await vectorNamed(name);
      const { computed } = await client.run("recorded", files);
      onFiles([computed]);
      return "";
    });
  };
  const listed = names.includes(name) ? names : [name, ...names];
  return (
    <>
      <h2>Compare implementations</h2>
      <form class="card form" onSubmit={(event) => event.preventDefault()}>
        {isOwnVector ? (
          <p>The vector is the folder that you gave.</p>
        ) : (
          <Choice label="Golden vector" value={name} values={listed} onChange={setName} />
        )}
        <button type="button" onClick={tryRecorded}>
          Use the recorded values
        </button>
        {(isOwnVector || own !== null) && (
          <button type="button" onClick={onForget}>
            Begin again
          </button>
        )}
      </form>
      {!isOwnVector && (
        <p>
          Its inputs: <a href={`./vectors/${name}/case.json`}>case.json</a> and{" "}
          <a href={`./vectors/${name}/tensors.safetensors`}>tensors.safetensors</a>, which the{" "}
          <a href="./guide/conformance.html">guide</a> describes. Compute masks or scores from them,
          and drop them here as a safetensors file with the names of the vector.
        </p>
      )}
      {comparison !== null && <Result comparison={comparison} />}
    </>
  );
}

function Result({ comparison }: { readonly comparison: Comparison }) {
  const { status, note, tensors, missing } = comparison;
  const different = tensors.filter(({ index }) => index !== null);
  return (
    <>
      <section class="card verdict" aria-label="Verdict">
        <h3>{status}</h3>
        {note !== "" && <p class={status === "failed" ? "warning" : "note"}>{note}</p>}
        <ul class="account">
          <li>{`${tensors.length} tensors compared, ${different.length} of them different`}</li>
          {missing.length > 0 && (
            <li>{`${missing.length} of the vector not given: ${missing.slice(0, 3).join(", ")}${missing.length > 3 ? ", ..." : ""}`}</li>
          )}
        </ul>
      </section>
      {different.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, also by keyboard
        <section class="card tensors" aria-label="Differences" tabIndex={0}>
          <table class="sticky stack">
            <TableHead names={["tensor", "values", "first different", "recorded", "yours"]} />
            <tbody>
              {different.map(({ name, elements, index, recorded, own }) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td data-label="values">{elements}</td>
                  <td data-label="first different">{index}</td>
                  <td data-label="recorded">{recorded}</td>
                  <td data-label="yours">{own}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}
