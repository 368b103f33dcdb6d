/** Titles a run by its model, its data and its patterns. */

/** What a run was asked for. */
interface TitledRun {
  /** The directory of the model to start from, or its name on the hub. */
  readonly model?: string | undefined;
  readonly isHubName?: boolean;
  /** The name of the model that starts from random weights. */
  readonly randomModel: string;
  readonly task?: string | undefined;
  readonly trainFile?: string | undefined;
  /** The patterns in the order of the recipes; none for a dense run. */
  readonly patterns: readonly string[];
}

/** Titles of tasks whose names are not all capitals. */
const TASK_TITLES: Readonly<Record<string, string>> = {
  cola: "CoLA",
  sst2: "SST-2",
  stsb: "STS-B",
};

/** Returns a title such as `minilm on MRPC, pruned to 4x1 and 2:4`. */
export function runTitle({ model, task, trainFile, patterns, ...run }: TitledRun): string {
  const name = model === undefined ? `${run.randomModel} from random weights` : titleOf(model, run);
  const data = task === undefined ? dataName(trainFile ?? "") : taskTitle(task);
  const pruned = patterns.length === 0 ? "" : `, pruned to ${listed([...new Set(patterns)])}`;
  return `${name} on ${data}${pruned}`;
}

function taskTitle(task: string): string {
  return TASK_TITLES[task] ?? task.toUpperCase();
}

/** Returns the name of a file of rows, with its directory if the name says only what the rows are for. */
function dataName(path: string): string {
  const name = lastPart(path);
  if (!/^(train|training|data|rows)\b/i.test(name)) return name;
  const parts = path.split(/[/\\]/).filter((part) => part !== "" && part !== ".");
  const folder = parts.at(-2);
  return folder === undefined || folder === ".." ? name : `${folder}/${name}`;
}

/** Returns the name of a model's directory, or its name on the hub if the directory is in the hub's cache. */
function titleOf(path: string, { isHubName = false }: Pick<TitledRun, "isHubName">): string {
  if (isHubName) return path;
  const [, hubName] = /models--([^/\\]+)[/\\]snapshots[/\\]/.exec(path) ?? [];
  if (hubName !== undefined) return hubName.replace("--", "/");
  const name = lastPart(path);
  // The models of a run have the names of their phases.
  return /^(dense|sparse.*)$/.test(name) ? path.replace(/[/\\]+$/, "") : name;
}

function lastPart(path: string): string {
  return path.split(/[/\\]/).findLast((part) => part !== "" && part !== ".") ?? path;
}

/** Joins words as in a sentence. */
function listed(words: readonly string[]): string {
  const [last = "", ...before] = words.toReversed();
  return before.length === 0 ? last : `${before.toReversed().join(", ")} and ${last}`;
}
