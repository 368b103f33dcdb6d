/** The options of training as a form. */
import { Choice } from "./choice.tsx";
import type { useTrainOptions } from "./train-options.ts";

interface TrainFormProps extends ReturnType<typeof useTrainOptions> {
  readonly isRunning: boolean;
  readonly onTrain: () => void;
  readonly onPause: () => void;
  readonly onStop: () => void;
}

const PATTERNS = ["4x1", "1x4", "4x4", "2:4", "1xchannel"];

interface NumberFieldProps {
  readonly label: string;
  readonly value: string;
  readonly step: string;
  readonly least: number;
  readonly most?: number;
  readonly isRequired?: boolean;
  readonly onChange: (value: string) => void;
}

function NumberField({ label, value, step, least, most, isRequired, onChange }: NumberFieldProps) {
  return (
    <label>
      {label}
      <input
        type="number"
        min={least}
        {...(most === undefined ? {} : { max: most })}
        step={step}
        placeholder="the recipe's"
        required={isRequired ?? false}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
    </label>
  );
}

export function TrainForm(props: TrainFormProps) {
  const { settings, texts, isRunning } = props;
  return (
    <form
      class="card form"
      onSubmit={(event) => {
        event.preventDefault();
        props.onTrain();
      }}
    >
      <Choice
        label="Pattern to train"
        value={settings.pattern}
        values={PATTERNS.includes(settings.pattern) ? PATTERNS : [settings.pattern, ...PATTERNS]}
        onChange={props.setPattern}
      />
      <NumberField
        label="Target sparsity"
        value={texts.target}
        step="any"
        least={0}
        most={0.99}
        onChange={props.setTarget}
      />
      <NumberField
        label="Dense epochs"
        value={texts.denseEpochs}
        step="1"
        least={0}
        onChange={props.setDenseEpochs}
      />
      <NumberField
        label="Sparse epochs"
        value={texts.epochs}
        step="1"
        least={1}
        onChange={props.setEpochs}
      />
      <NumberField
        label="Rows in a batch"
        value={texts.batch}
        step="1"
        least={1}
        onChange={props.setBatch}
      />
      <NumberField
        label="Seed"
        value={texts.seed}
        step="1"
        least={0}
        isRequired
        onChange={props.setSeed}
      />
      <Choice
        label="Profile"
        value={settings.profile}
        values={["strict", "inc"]}
        onChange={props.setProfile}
      />
      <Choice
        label="Kernels"
        value={settings.variant}
        values={["simd", "fma"]}
        onChange={props.setVariant}
      />
      <button type="submit" disabled={isRunning}>
        Train
      </button>
      <button type="button" disabled={!isRunning} onClick={props.onPause}>
        Pause
      </button>
      <button type="button" disabled={!isRunning} onClick={props.onStop}>
        Stop
      </button>
    </form>
  );
}
