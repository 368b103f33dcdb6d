/** Starts worker threads from scripts. */
import { Worker } from "node:worker_threads";

/** Starts a worker thread. @throws Error that names the URL if it is neither a file URL nor a data URL */
export function startScript({ href }: { readonly href: string }, workerData: unknown): Worker {
  try {
    return new Worker(new URL(href), { workerData });
  } catch (error) {
    throw unloadable(href, error);
  }
}

/** Returns the error of a worker; if its script is missing, an error that names the script's URL. */
export function scriptError({ href }: { readonly href: string }, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.endsWith("MODULE_NOT_FOUND") ? unloadable(href, error) : error;
}

function unloadable(href: string, cause: unknown): Error {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new Error(`worker: expected a script at ${href}, got: ${message}`, { cause });
}
