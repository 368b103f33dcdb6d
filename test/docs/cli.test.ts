import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Console } from "../../src/cli/console.ts";
import { COMMANDS, runCommandLine } from "../../src/cli/dispatch.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";
import { markdownSnippets } from "./snippets.ts";

const OPTION = /--[a-z][a-z0-9-]*[a-z0-9]/g;
/** Stated once for all commands, at the top. */
const COMMON = ["--help", "--json"];

/** What a command prints for --help. */
async function helpOf(command: string): Promise<string> {
  let text = "";
  const out: Console["out"] = {
    write: (part) => {
      text += part;
    },
    isTerminal: false,
    columns: 100,
  };
  const console: Console = {
    out,
    err: out,
    signal: new AbortController().signal,
    workerScript: new URL(import.meta.url),
    engine: null,
  };
  expect(await runCommandLine([command, "--help"], console)).toBe(0);
  return text;
}

/** The option that each line of a help text describes; other names for it are left out. */
function optionsIn(help: string): string[] {
  return [...help.matchAll(/^ {2}(--[a-z][a-z0-9-]*)/gm)]
    .map(([, name]) => name as string)
    .filter((name) => !COMMON.includes(name));
}

/** The part of docs/cli.md about a command. */
function sectionOf(command: string): string {
  const text = readFileSync(join(PROJECT_ROOT, "docs", "cli.md"), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith(`${command}\n`));
  if (section === undefined) throw new Error(`docs/cli.md: expected a section ${command}`);
  // Mistakes may name options that do not exist.
  return section.replace(/^```console\n[\s\S]*?^```/gm, "");
}

describe.each(COMMANDS.map(({ name }) => name))("docs/cli.md on %s", (command) => {
  it("mentions every option, and none that does not exist", async () => {
    const help = await helpOf(command);
    const mentioned = new Set(sectionOf(command).match(OPTION) ?? []);
    expect(optionsIn(help).filter((name) => !mentioned.has(name))).toEqual([]);
    expect([...mentioned].filter((name) => !help.includes(name))).toEqual([]);
  });
});

describe("commands in the documents", () => {
  const lines = markdownSnippets()
    .filter(({ language }) => language === "sh")
    .flatMap(({ code, origin }) => code.split("\n").map((line) => ({ line, origin })))
    .filter(({ line }) => /^(npx )?espalier /.test(line));

  it.each(lines)("$line", async ({ line }) => {
    const command = /espalier (\S+)/.exec(line)?.[1] ?? "";
    expect(COMMANDS.map(({ name }) => name)).toContain(command);
    const help = await helpOf(command);
    expect((line.match(OPTION) ?? []).filter((option) => !help.includes(option))).toEqual([]);
  });
});
