/** On how many threads this page and its workers may compute. */

/** More threads wait for each other more than they help. */
const MOST = 8;

export function threadCount(): number {
  return crossOriginIsolated ? Math.max(1, Math.min(MOST, navigator.hardwareConcurrency)) : 1;
}
