/** What a task may use beside its input. */
import type { Progress } from "./protocol.ts";
import type { TrainingNews } from "./training-protocol.ts";

export interface TaskRun {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  readonly onNews: (news: TrainingNews) => void;
}
