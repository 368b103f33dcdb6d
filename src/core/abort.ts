/** The part of an `AbortSignal` that runs use; declarations with that name need the types of the DOM or Node. */
export interface StopSignal {
  readonly aborted: boolean;
  /** What a stopped run rejects with. */
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
