/** Runs one long task at a time, with its progress, its problems, and a function that cancels it. */
import { useCallback, useRef, useState } from "preact/hooks";
import type { Progress } from "./worker/protocol.ts";
import { TaskError } from "./worker-client.ts";

/** What the page says about the task that runs or ran last. */
export type ActivityState =
  | { readonly kind: "idle"; readonly message: string }
  | { readonly kind: "running"; readonly label: string; readonly progress: Progress | null }
  | { readonly kind: "failed"; readonly problems: readonly string[]; readonly advice: string };

interface TaskContext {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

export interface Activity {
  readonly state: ActivityState;
  readonly cancel: () => void;
  /** Runs a task, which returns what to announce when it is done. A task that runs is cancelled. */
  readonly run: (
    label: string,
    advice: string,
    task: (context: TaskContext) => Promise<string>,
  ) => Promise<void>;
}

export function useActivity(): Activity {
  const [state, setState] = useState<ActivityState>({ kind: "idle", message: "" });
  const current = useRef<AbortController | null>(null);
  const cancel = useCallback(() => current.current?.abort(), []);
  const run = useCallback<Activity["run"]>(async (label, advice, task) => {
    current.current?.abort();
    const controller = new AbortController();
    current.current = controller;
    const { signal } = controller;
    const isCurrent = (): boolean => current.current === controller;
    const show = (next: ActivityState): void => {
      if (isCurrent()) setState(next);
    };
    show({ kind: "running", label, progress: null });
    try {
      const message = await task({
        signal,
        onProgress: (progress) => show({ kind: "running", label, progress }),
      });
      show({ kind: "idle", message });
    } catch (error) {
      const problems = error instanceof TaskError ? error.problems : [String(error)];
      show(
        signal.aborted
          ? { kind: "idle", message: `${label}: cancelled.` }
          : { kind: "failed", problems, advice },
      );
    }
  }, []);
  return { state, cancel, run };
}
