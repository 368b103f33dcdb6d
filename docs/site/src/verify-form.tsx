/** Verifies that the layers of the checkpoint obey a pattern, and shows the verdict of the command `verify`. */
import { useState } from "preact/hooks";
import { formatShare } from "../../../src/report/table.ts";
import { TableHead } from "./table-head.tsx";
import type { Activity } from "./use-activity.ts";
import { useQuery, useQueryFlag } from "./use-query.ts";
import type { Verdict, Violation } from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface VerifyFormProps {
  readonly client: WorkerClient;
  readonly activity: Activity;
  readonly onViolation: (violation: Violation) => void;
}

const PATTERNS = ["2:4", "4:8", "4x1", "1x4", "4x4", "8x8", "16x16", "1xchannel", "channelx1"];

export function VerifyForm({ client, activity, onViolation }: VerifyFormProps) {
  const [pattern, setPattern] = useQuery("pattern", "4x1");
  const [minSparsity, setMinSparsity] = useQuery("min-sparsity", "0");
  const [exact, setExact] = useQueryFlag("exact", false);
  const [excludeHead, setExcludeHead] = useQueryFlag("exclude-head", true);
  const [verdict, setVerdict] = useState<Verdict | null>(null);
  const verify = (event: Event): void => {
    event.preventDefault();
    const advice = "Choose a pattern that the layers can have, and a share from 0 to 1.";
    void activity.run(`Verifying ${pattern}`, advice, async (context) => {
      setVerdict(null);
      const request = {
        pattern,
        exact,
        minSparsity: Number(minSparsity),
        tolerance: 0,
        excludeHead,
      };
      const found = await client.run("verify", request, context);
      setVerdict(found);
      return `${found.pattern}: ${found.passed ? "passed" : "failed"}.`;
    });
  };
  return (
    <section aria-labelledby="verify">
      <h2 id="verify">Verify a pattern</h2>
      <form class="card form" onSubmit={verify}>
        <label>
          Pattern
          <input
            name="pattern"
            list="patterns"
            required
            value={pattern}
            onInput={({ currentTarget }) => setPattern(currentTarget.value)}
          />
        </label>
        <datalist id="patterns">
          {PATTERNS.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        <label>
          Least share of zeros
          <input
            name="min-sparsity"
            type="number"
            required
            min={0}
            max={1}
            step="any"
            value={minSparsity}
            onInput={({ currentTarget }) => setMinSparsity(currentTarget.value)}
          />
        </label>
        <label class="flag">
          <input
            name="exact"
            type="checkbox"
            checked={exact}
            onChange={({ currentTarget }) => setExact(currentTarget.checked)}
          />
          Exact
        </label>
        <label class="flag">
          <input
            name="exclude-head"
            type="checkbox"
            checked={excludeHead}
            onChange={({ currentTarget }) => setExcludeHead(currentTarget.checked)}
          />
          Leave heads alone
        </label>
        <button type="submit">Verify</button>
      </form>
      {verdict !== null && <VerdictCard verdict={verdict} onViolation={onViolation} />}
    </section>
  );
}

function VerdictCard({
  verdict,
  onViolation,
}: {
  readonly verdict: Verdict;
  readonly onViolation: (violation: Violation) => void;
}) {
  const { passed, pattern, isGroups, faults, account, violation } = verdict;
  const unit = isGroups ? "group" : "block";
  return (
    <div class="card verdict">
      <h3>{passed ? `${pattern}: passed` : `${pattern}: FAILED`}</h3>
      {passed && <p>Every {unit} of the judged layers obeys.</p>}
      {faults.map((fault) => (
        <p key={fault} class="warning">
          {fault}
        </p>
      ))}
      {violation !== null && (
        <p>
          <button type="button" onClick={() => onViolation(violation)}>
            Show the first violation
          </button>
        </p>
      )}
      <ul class="account">
        {account.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <details>
        <summary>Layers</summary>
        <LayersTable verdict={verdict} />
      </details>
    </div>
  );
}

function LayersTable({ verdict: { isGroups, layers } }: { readonly verdict: Verdict }) {
  const blocks = isGroups ? "groups that obey" : "blocks of zeros";
  const partial = isGroups ? "groups with more zeros" : "partial blocks";
  return (
    <table class="stack">
      <TableHead names={["layer", "shape", blocks, partial, "zeros"]} />
      <tbody>
        {layers.map((layer) => (
          <tr key={layer.name}>
            <th scope="row">{layer.name}</th>
            <td data-label="shape">{layer.shape.join("x")}</td>
            <td data-label={blocks}>
              {`${layer.sparseBlocks}/${layer.blocks} (${formatShare(layer.sparseBlocks, layer.blocks)})`}
            </td>
            <td data-label={partial}>{layer.partialBlocks}</td>
            <td data-label="zeros">
              {`${layer.zeros}/${layer.elements} (${formatShare(layer.zeros, layer.elements)})`}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
