/** The part of `AbortSignal` that runs use. A declaration with that name would need the types of the DOM or Node. */
export interface StopSignal {
  readonly aborted: boolean;
  /** A stopped run rejects with it. */
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
