/** Ends a test run with the number of skipped tests, and what they need. */
import type { Reporter, TestModule } from "vitest/node";
import { needOf } from "./needs.ts";

/** One line on skipped tests by their full names; undefined if there are none. */
export function describeSkipped(names: readonly string[]): string | undefined {
  if (names.length === 0) return undefined;
  const counts = new Map<string, number>();
  for (const name of names) {
    const need = needOf(name);
    const reason = need === undefined ? "state no reason" : `need ${need}`;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`);
  return `Skipped tests: ${names.length} (${reasons.sort().join(", ")})`;
}

export default class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const names = modules.flatMap((module) =>
      [...module.children.allTests("skipped")].map(({ fullName }) => fullName),
    );
    const line = describeSkipped(names);
    if (line !== undefined) console.log(`\n ${line}`);
  }
}
