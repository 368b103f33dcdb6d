/** The subset of `AbortSignal` that a run uses. Declared here, so that users need neither DOM nor Node types. */
export interface StopSignal {
  readonly aborted: boolean;
  /** The reason for the abort. The promise of a stopped run is rejected with it. */
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
