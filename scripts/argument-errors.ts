/**
 * Calls every exported function with hostile arguments, and lists what is neither a result nor a refusal that names the
 * parameter: `npx tsx scripts/argument-errors.ts [--source] [--only REGEX]`. Parameters are read from the built types.
 * With `--source`, the functions of the sources are called instead of the built ones. The last line is a summary.
 */
import { mkdtempSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { callHostile, type RawOutcome } from "../test/surface/calls.ts";
import { readExportedFunctions } from "../test/surface/exports.ts";
import { validArguments } from "../test/surface/valid-calls.ts";

const ENTRIES = [
  "index",
  "nn",
  "sparse",
  "io",
  "checkpoint",
  "calibrate",
  "classifier",
  "node",
  "reference",
  "worker",
];
const ROOT = join(import.meta.dirname, "..");

const argv = process.argv.slice(2);
const only = new RegExp(argv[argv.indexOf("--only") + 1 || argv.length] ?? "");
const trace = argv.includes("--trace");
// The script of a worker waits for messages from the page that started it.
Object.assign(globalThis, { addEventListener: () => undefined, postMessage: () => undefined });

const modules = Object.fromEntries(
  await Promise.all(
    ENTRIES.map(async (entry) => {
      const file = argv.includes("--source") ? `src/${entry}.ts` : `dist/${entry}.js`;
      return [entry, await import(pathToFileURL(join(ROOT, file)).href)] as const;
    }),
  ),
);
// Some functions write files: an empty path is the current directory.
process.chdir(mkdtempSync(join(tmpdir(), "espalier-arguments-")));
const valid = await validArguments(modules);
const raw: RawOutcome[] = [];
const withoutValid: string[] = [];
let [functions, calls] = [0, 0];
process.on("unhandledRejection", (error) => console.log("UNHANDLED", error));
for (const called of readExportedFunctions(join(ROOT, "dist"), ENTRIES)) {
  const label = `${called.entry}:${called.name}`;
  if (!only.test(label)) continue;
  const value = modules[called.entry]?.[called.name];
  if (typeof value !== "function") continue;
  const target = (...args: readonly unknown[]) =>
    /^class\b/.test(Function.prototype.toString.call(value))
      ? Reflect.construct(value, args)
      : value(...args);
  let args: readonly unknown[] | undefined;
  try {
    args = valid(called);
    await target(...(args ?? []));
  } catch (error) {
    if (args !== undefined) console.log(`valid call of ${label}: ${String(error).split("\n")[0]}`);
  }
  if (args === undefined) withoutValid.push(label);
  functions++;
  const found = await callHostile(called, target, valid, (call) => {
    if (trace) writeSync(2, `${call}\n`);
  });
  calls += found.calls;
  raw.push(...found.raw);
}
/** Groups outcomes by a key, in order of appearance. */
function groupsOf(outcomes: readonly RawOutcome[], keyOf: (outcome: RawOutcome) => string) {
  const groups = new Map<string, RawOutcome[]>();
  for (const outcome of outcomes) {
    const key = keyOf(outcome);
    groups.set(key, [...(groups.get(key) ?? []), outcome]);
  }
  return groups;
}

for (const [group, outcomes] of groupsOf(
  raw,
  ({ called, parameter }) => `${called} ${parameter}`,
)) {
  console.log(`${group}: ${outcomes.length}`);
  const first = ({ message }: RawOutcome): string => message.split("\n")[0]?.slice(0, 130) ?? "";
  for (const [message, those] of groupsOf(outcomes, first))
    console.log(
      `    ${message} <- ${those
        .map(({ value }) => value)
        .join(", ")
        .slice(0, 150)}`,
    );
}
if (withoutValid.length > 0) console.log(`without a valid call: ${withoutValid.join(", ")}`);
console.log(`${functions} functions, ${calls} calls, ${raw.length} raw errors`);
process.exitCode = raw.length > 0 ? 1 : 0;
process.exit();
