/** The espalier program: finds the requested command, runs it, and turns errors into exit codes. */

import manifest from "../../package.json" with { type: "json" };
import { InputError, type Problem } from "../core/either.ts";
import { nearestName } from "../core/nearest.ts";
import { benchCommand } from "./bench.ts";
import { bundleCommand } from "./bundle.ts";
import { classifyCommand } from "./classify.ts";
import type { Command, ExitCode } from "./command.ts";
import { conformCommand } from "./conform.ts";
import type { Console } from "./console.ts";
import { demoCommand } from "./demo.ts";
import { evaluateCommand } from "./evaluate.ts";
import { exportCommand } from "./export.ts";
import { finetuneCommand } from "./finetune.ts";
import { inspectCommand } from "./inspect.ts";
import { packCommand, unpackCommand } from "./pack.ts";
import { planCommand } from "./plan.ts";
import { predictCommand } from "./predict.ts";
import { pruneCommand } from "./prune.ts";
import { selfTestCommand } from "./self-test.ts";
import { shrinkCommand } from "./shrink.ts";
import { verifyCommand } from "./verify.ts";

/** All commands, in the order of the help text. */
export const COMMANDS: readonly Command[] = [
  finetuneCommand,
  demoCommand,
  planCommand,
  pruneCommand,
  verifyCommand,
  inspectCommand,
  packCommand,
  unpackCommand,
  shrinkCommand,
  exportCommand,
  bundleCommand,
  evaluateCommand,
  predictCommand,
  classifyCommand,
  conformCommand,
  selfTestCommand,
  benchCommand,
];

function helpText(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const lines = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    `espalier ${manifest.version}: prune and fine-tune neural networks to sparsity patterns`,
    "usage: espalier COMMAND [options]",
    ["commands:", ...lines].join("\n"),
    "espalier COMMAND --help lists a command's options; espalier --version prints the version.",
    "Exit codes: 0 done, 1 a check failed or training diverged, 2 wrong usage or input, 130 interrupted.",
  ].join("\n\n");
}

function unknownCommand(name: string): Problem {
  const names = COMMANDS.map((command) => command.name);
  const near = nearestName(name, names);
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`;
  const expected = `one of the commands ${names.join(", ")}`;
  return { path: "espalier", expected, got: `${JSON.stringify(name)}${hint}` };
}

/**
 * Whether an error is about the user's input, so that its message suffices without a stack trace. System errors have a
 * code. Other errors are recognised by "expected ..., got ...", because an error from a worker loses its class.
 */
function isRefusal(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  const isSystemError = "code" in error && typeof error.code === "string";
  return isSystemError || /expected .+, got /s.test(error.message);
}

/** Runs `espalier` with its command-line arguments. Errors about arguments and inputs are written to standard error. */
export async function runCommandLine(argv: readonly string[], console: Console): Promise<ExitCode> {
  const [name = "--help", ...rest] = argv;
  if (name === "--help" || name === "-h") {
    console.out.write(`${helpText()}\n`);
    return argv.length === 0 ? 2 : 0;
  }
  if (name === "--version") {
    console.out.write(`${manifest.version}\n`);
    return 0;
  }
  try {
    const command = COMMANDS.find((candidate) => candidate.name === name);
    if (command === undefined) throw new InputError([unknownCommand(name)]);
    return await command.run(rest, console);
  } catch (error) {
    if (console.signal.aborted && error === console.signal.reason) return 130;
    if (!isRefusal(error)) throw error;
    console.err.write(`${error.message}\n`);
    return 2;
  }
}
