/** The mistakes that docs/cli.md shows are made, and what is said must be what is written there. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { COMMANDS } from "../../src/cli/dispatch.ts";
import { tensorFromFloat32, writeSafetensors } from "../../src/io/safetensors.ts";
import {
  espalier,
  temporaryDirectory,
  VOCABULARY,
  writeModel,
  writeTask,
} from "../cli/fixtures.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

interface Mistake {
  readonly command: string;
  readonly argv: readonly string[];
  readonly message: string;
}

/** The commands in blocks of `console`, each with what follows it up to the next. */
function mistakesOf(section: string): readonly Mistake[] {
  const blocks = [...section.matchAll(/^```console\n([\s\S]*?)^```/gm)].map(
    ([, text = ""]) => text,
  );
  return blocks.flatMap((block) =>
    block
      .split(/^\$ espalier /m)
      .slice(1)
      .map((text): Mistake => {
        const [line = "", ...message] = text.split("\n");
        const argv = line.split(" ").map((part) => part.replace(/^'(.*)'$/, "$1"));
        return { command: argv[0] ?? "", argv, message: message.join("\n") };
      }),
  );
}

const text = readFileSync(join(PROJECT_ROOT, "docs", "cli.md"), "utf8");
const mistakes = text.split(/^## /m).flatMap(mistakesOf);

const home = process.cwd();
const root = temporaryDirectory();

beforeAll(async () => {
  process.chdir(root);
  vi.stubEnv("HF_HUB_CACHE", "hub");
  await writeModel("my-model");
  writeTask(join("glue", "MRPC"));
  writeFileSync("vocab.txt", VOCABULARY);
  writeFileSync("rows.csv", "text,label\nthe tree,1\na wall,2\n");
  for (const name of ["pruned", "empty"]) mkdirSync(name);
  const weight = tensorFromFloat32("F32", [2, 2], Float32Array.of(1, 0, 0, 1e9));
  writeFileSync("large.safetensors", writeSafetensors(new Map([["fc.weight", weight]])));
  const config = { pattern: "4x1", target_sparsity: 0.5, end_step: 90 };
  const write = (name: string, keys: object) => writeFileSync(name, JSON.stringify([keys]));
  write("mistyped.json", { ...config, patern: "4x1" });
  write("elsewhere.json", { ...config, op_names: ["decoder"] });
  write("late.json", { ...config, end_step: 3400 });
});
afterAll(() => {
  process.chdir(home);
  vi.unstubAllEnvs();
});

test("every command has three", () => {
  const counts = COMMANDS.map(({ name }) => {
    const own = mistakes.filter(({ command }) => command === name);
    return [name, own.length];
  });
  expect(counts.filter(([, count]) => Number(count) < 3)).toEqual([]);
});

describe("mistakes in docs/cli.md", () => {
  test.each(mistakes.map((one) => [one.argv.join(" "), one] as const))(
    "%s",
    async (_, { argv, message }) => {
      const { code, out, err } = await espalier(argv);
      expect({ code, out, err }).toEqual({ code: 2, out: "", err: message });
    },
  );
});
