/** The options of pruning as a form. */
import { ELEMENT_CRITERION_NAMES } from "../../../src/prune/criteria.ts";
import { parsePattern } from "../../../src/prune/pattern.ts";
import { Choice } from "./choice.tsx";
import { chosenFiles } from "./given-files.ts";
import { mostOf, type usePruneOptions } from "./prune-options.ts";
import type { GivenFile } from "./worker/protocol.ts";

interface PruneFormProps extends ReturnType<typeof usePruneOptions> {
  readonly gradients: GivenFile | null;
  readonly onGradients: (file: GivenFile | null) => void;
}

const PATTERNS = [
  "4x1",
  "1x4",
  "4x4",
  "8x8",
  "16x16",
  "2:4",
  "4:8",
  "1xchannel",
  "channelx1",
  "1x1",
];

interface BoundProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Bound({ label, value, onChange }: BoundProps) {
  return (
    <label>
      {label}
      <input
        type="number"
        min={0}
        max={1}
        step="any"
        placeholder="none"
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </label>
  );
}

export function PruneForm(props: PruneFormProps) {
  const { options, gradients, onGradients } = props;
  const limit = mostOf(parsePattern(options.pattern));
  return (
    <form class="card form" onSubmit={(event) => event.preventDefault()}>
      <Choice
        label="Pattern to prune"
        value={options.pattern}
        values={PATTERNS.includes(options.pattern) ? PATTERNS : [options.pattern, ...PATTERNS]}
        onChange={(pattern) => {
          const parsed = parsePattern(pattern);
          props.setPattern(pattern);
          if (parsed?.kind === "group") props.setSparsity(String(mostOf(parsed)));
        }}
      />
      <label class="wide">
        Sparsity: {options.sparsity.toFixed(2)}
        <input
          type="range"
          aria-label="Sparsity"
          min={0}
          max={limit}
          step={0.01}
          value={options.sparsity}
          onInput={({ currentTarget }) => props.setSparsity(currentTarget.value)}
        />
      </label>
      <Choice
        label="Scope"
        value={options.scope}
        values={["global", "local"]}
        onChange={props.setScope}
      />
      <Choice
        label="Criterion"
        value={options.criterion}
        values={ELEMENT_CRITERION_NAMES}
        onChange={props.setCriterion}
      />
      {options.criterion !== "magnitude" && (
        <label>
          Gradients{gradients === null ? "" : `: ${gradients.path}`}
          <input
            type="file"
            accept=".safetensors,.bin"
            onChange={({ currentTarget }) =>
              onGradients(chosenFiles(currentTarget.files)[0] ?? null)
            }
          />
        </label>
      )}
      <Bound label="Least share in a layer" value={options.least} onChange={props.setLeast} />
      <Bound label="Greatest share in a layer" value={options.most} onChange={props.setMost} />
      <Choice
        label="Profile"
        value={options.profile}
        values={["strict", "inc"]}
        onChange={props.setProfile}
      />
      <label class="flag">
        <input
          type="checkbox"
          checked={options.excludeHead}
          onChange={({ currentTarget }) => props.setExcludeHead(currentTarget.checked)}
        />
        Leave heads alone
      </label>
    </form>
  );
}
