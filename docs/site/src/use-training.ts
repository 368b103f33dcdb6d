/** The run of training as the page knows it. It outlives the view, which shows it. */
import { useCallback, useMemo, useState } from "preact/hooks";
import type { Activity } from "./use-activity.ts";
import type { OpenedCheckpoint } from "./worker/protocol.ts";
import { EMPTY_HISTORY, withEpoch, withPoints } from "./worker/training-history.ts";
import type {
  SavedTraining,
  TrainedLayer,
  TrainedModel,
  TrainingEnd,
  TrainingHistory,
  TrainingNews,
  TrainRequest,
} from "./worker/training-protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

/** The weights after the latest epoch, with a number that changes with them. */
interface ShownWeights {
  readonly version: number;
  readonly opened: OpenedCheckpoint;
  readonly layers: readonly TrainedLayer[];
}

export interface TrainingView {
  readonly isRunning: boolean;
  readonly history: TrainingHistory;
  readonly notices: readonly string[];
  readonly weights: ShownWeights | null;
  readonly models: readonly TrainedModel[];
  /** Why the run does not go on after a reload; empty if it does. */
  readonly unsaved: string;
  readonly saved: SavedTraining | null;
}

export interface TrainingControl {
  readonly view: TrainingView;
  readonly start: (request: TrainRequest) => void;
  readonly resume: () => void;
  readonly pause: () => void;
  readonly stop: () => void;
  /** Looks for a run of an earlier visit. */
  readonly find: () => void;
}

const EMPTY: TrainingView = {
  isRunning: false,
  history: EMPTY_HISTORY,
  notices: [],
  weights: null,
  models: [],
  unsaved: "",
  saved: null,
};

const ADVICE =
  "Change the options or the files. Rows need a header, texts, and at least two different labels; a model needs config.json, its tokenizer and weights.";

function afterNews(view: TrainingView, news: TrainingNews): TrainingView {
  const { history, weights, models } = view;
  switch (news.kind) {
    case "begin":
      return { ...view, notices: news.notices, history: news.history };
    case "points":
      return { ...view, history: withPoints(history, news.points, news.total) };
    case "epoch":
      return { ...view, history: withEpoch(history, news.epoch) };
    case "weights": {
      const { opened, layers } = news;
      return { ...view, weights: { version: (weights?.version ?? 0) + 1, opened, layers } };
    }
    case "model": {
      const others = models.filter(({ name }) => name !== news.model.name);
      return { ...view, models: [...others, news.model] };
    }
    case "saved":
      return { ...view, unsaved: "" };
    case "unsaved":
      return { ...view, unsaved: news.reason };
    default:
      return news satisfies never;
  }
}

function endMessage({ completed, isPaused, diverged, models }: TrainingEnd): string {
  const names = models.map(({ name }) => name).join(" and ");
  if (completed) return `Trained: ${names}.`;
  if (diverged !== null) return `The run ended: ${diverged}. Use a smaller model or other options.`;
  return isPaused ? "The run is paused." : "The run was stopped.";
}

export function useTraining(client: WorkerClient, { run }: Activity): TrainingControl {
  const [view, setView] = useState(EMPTY);
  const find = useCallback(async () => {
    const saved = await client.run("savedTraining", null).catch(() => null);
    setView((last) => (last.isRunning ? last : { ...last, saved }));
  }, [client]);
  const follow = useCallback(
    (request: TrainRequest | null) => {
      void run("Training", ADVICE, async (context) => {
        setView((last) => ({ ...(request === null ? last : EMPTY), isRunning: true, saved: null }));
        const options = {
          ...context,
          onNews: (news: TrainingNews) => setView((last) => afterNews(last, news)),
        };
        try {
          const end = await (request === null
            ? client.run("resumeTraining", null, options)
            : client.run("train", request, options));
          setView((last) => ({ ...last, models: end.models }));
          return endMessage(end);
        } finally {
          setView((last) => ({ ...last, isRunning: false }));
          await find();
        }
      });
    },
    [client, run, find],
  );
  return useMemo(
    () => ({
      view,
      start: follow,
      resume: () => follow(null),
      pause: () => void client.run("pauseTraining", null).catch(() => {}),
      stop: () => void client.run("discardTraining", null).then(find, () => {}),
      find: () => void find(),
    }),
    [view, client, follow, find],
  );
}
