/** The signal that stops a run. */
import { checkKind, succeeds } from "./checks.ts";

/** The subset of `AbortSignal` that a run uses. Declared here, so that users need neither DOM nor Node types. */
export interface StopSignal {
  readonly aborted: boolean;
  /** The reason for the abort. The promise of a stopped run is rejected with it. */
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** Checks that a value can be used as an `AbortSignal`. */
export function checkSignal(name: string, value: unknown): void {
  const isSignal = ({ aborted, addEventListener, removeEventListener }: StopSignal): boolean =>
    typeof aborted === "boolean" &&
    typeof addEventListener === "function" &&
    typeof removeEventListener === "function";
  const holds = succeeds(() => isSignal(value as StopSignal));
  checkKind(holds, name, "an AbortSignal", value);
}
