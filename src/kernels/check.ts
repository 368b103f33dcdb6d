/** Checks backends that are given as arguments. A file of its own, because `backend.ts` contains compiled modules. */
import { checkKind } from "../core/checks.ts";
import type { Backend } from "./backend.ts";

/** Checks that a value has the form of a backend. */
export function checkBackend(backend: Backend): void {
  checkKind(isBackend(backend), "backend", "one from createBackend", backend);
}

function isBackend(backend: Backend): boolean {
  try {
    return (
      typeof backend.kernels.gemm === "function" && typeof backend.memory.allocate === "function"
    );
  } catch {
    return false;
  }
}
