/** What some tests need and a machine may lack. The titles of such tests end with `[needs ...]`. */
import { spawnSync } from "node:child_process";

/** A need: its tests are skipped without it, and only `shared data` may be missing when everything must run. */
export type Need =
  | "a build"
  | "a Chromium"
  | "axe-core"
  | "python3 with numpy"
  | "shared data"
  | "the site and a Chromium"
  | "workerd";

/** The title of a test or suite that is skipped without something. */
export function needing(need: Need, title: string): string {
  return `${title} [needs ${need}]`;
}

/** The need that the full name of a test states. */
export function needOf(name: string): string | undefined {
  return /\[needs ([^\]]+)\]/.exec(name)?.[1];
}

/** A Python with numpy: `python3` may be one of a version manager without the system's packages. */
export function findPython(): string | undefined {
  return ["python3", "/usr/bin/python3"].find(
    (python) => spawnSync(python, ["-c", "import numpy"]).status === 0,
  );
}
