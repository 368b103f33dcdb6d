/**
 * The part of an `AbortSignal` that runs use. Declared here, since declarations that name `AbortSignal` need the DOM's
 * types or Node's.
 */
export interface StopSignal {
  readonly aborted: boolean;
  /** What a stopped run rejects with. */
  readonly reason?: unknown;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}
