/** Checks backends that are given as arguments. A file of its own, because `backend.ts` contains compiled modules. */
import { checkKind, succeeds } from "../core/checks.ts";
import type { Backend } from "./backend.ts";

/** Checks that a value has the form of a backend. */
export function checkBackend(backend: Backend): void {
  const isBackend = (): boolean =>
    typeof backend.kernels.gemm === "function" && typeof backend.memory.allocate === "function";
  checkKind(succeeds(isBackend), "backend", "one from createBackend", backend);
}
