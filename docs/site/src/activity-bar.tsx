/** Shows the task that runs, with progress and a button to cancel it, or what came of the last. */
import type { Activity } from "./use-activity.ts";

export function ActivityBar({ activity: { state, cancel } }: { readonly activity: Activity }) {
  const progress = state.kind === "running" ? state.progress : null;
  return (
    <section class="activity" aria-label="Status">
      {/* The progress bar announces itself; the live region has only the beginning and the end. */}
      <p class="status" role="status">
        {state.kind === "running"
          ? `${state.label} ...`
          : state.kind === "idle"
            ? state.message
            : ""}
      </p>
      {state.kind === "running" && (
        <div class="progress">
          <progress
            aria-label={state.label}
            max={progress?.total ?? 1}
            {...(progress === null ? {} : { value: progress.done })}
          />
          <button type="button" onClick={cancel}>
            Cancel
          </button>
        </div>
      )}
      {state.kind === "failed" && (
        <div class="warning" role="alert">
          <ul class="problems">
            {state.problems.map((problem) => (
              <li key={problem}>{problem}</li>
            ))}
          </ul>
          <p>{state.advice}</p>
        </div>
      )}
    </section>
  );
}
