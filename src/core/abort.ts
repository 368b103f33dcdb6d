/**
 * The part of `AbortSignal` that a run uses, declared here so that users need the types of neither the DOM nor Node.
 */
export interface StopSignal {
  readonly aborted: boolean;
  /** The reason for the abort. The promise of a stopped run is rejected with it. */
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
