/**
 * Checks prune and verify on models whose true roles are known: `tsx scripts/check-roles.ts DIR [MODEL...]`. DIR has a
 * directory for each model, with config.json, model.safetensors and roles.json, the role and axes of every parameter.
 * The bytes of pruned tensors are read here, without the library.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface TrueParameter {
  readonly shape: readonly number[];
  readonly role: string;
  readonly axes?: "out,in" | "in,out";
}

interface Run {
  readonly code: number;
  readonly out: string;
}

function espalier(...argv: readonly string[]): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["dist/cli.js", ...argv], {
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  return { code: status ?? -1, out: stdout + stderr };
}

/** The F32 tensors of a file, on its bytes. */
function readTensors(bytes: Buffer): Map<string, Float32Array> {
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, end).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            data_offsets: [from, to],
          },
        ]) => [name, new Float32Array(new Uint8Array(bytes.subarray(end + from, end + to)).buffer)],
      ),
  );
}

/** The indices of each group of four weights along the inputs, kernel position by kernel position. */
function* groupsOf({ shape, role, axes }: TrueParameter): Iterable<readonly number[]> {
  const [experts = 1, first = 1, second = 1, ...kernel] =
    role === "experts" ? shape : [1, ...shape];
  const positions = kernel.reduce((product, size) => product * size, 1);
  const [outputs, inputs] = axes === "in,out" ? [second, first] : [first, second];
  const at = (expert: number, output: number, column: number): number => {
    const [input, position] = [column % inputs, Math.floor(column / inputs)];
    const [row, entry] = axes === "in,out" ? [input, output] : [output, input];
    return ((expert * first + row) * second + entry) * positions + position;
  };
  for (let expert = 0; expert < experts; expert++)
    for (let output = 0; output < outputs; output++)
      for (let column = 0; column < inputs * positions; column += 4)
        yield [0, 1, 2, 3].map((i) => at(expert, output, column + i));
}

const isDivided = ({ shape, role, axes }: TrueParameter): boolean => {
  const [first = 1, second = 1, ...kernel] = role === "experts" ? shape.slice(1) : shape;
  const positions = kernel.reduce((product, size) => product * size, 1);
  return ((axes === "in,out" ? first : second) * positions) % 4 === 0;
};

function checkModel(source: string, model: string, temporary: string): readonly string[] {
  const faults: string[] = [];
  const parameters = new Map(
    Object.entries(
      (
        JSON.parse(readFileSync(join(source, "roles.json"), "utf8")) as {
          parameters: Record<string, TrueParameter>;
        }
      ).parameters,
    ),
  );
  const events = espalier("inspect", source, "--json")
    .out.trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const roles = new Map(events.map((event) => [event.name as string, event]));
  for (const [name, { shape, role, axes = null }] of parameters) {
    const found = roles.get(name);
    if (shape.length > 1 && (found?.role !== role || found.axes !== axes))
      faults.push(`${name}: ${role} ${axes}, got ${found?.role} ${found?.axes}`);
  }
  const pruned = join(temporary, model);
  const prune = espalier(
    "prune",
    source,
    "--pattern",
    "2:4",
    "--sparsity",
    "0.5",
    "--out",
    pruned,
    "--exclude-head",
    "false",
    "--json",
  );
  if (prune.code !== 0) return [...faults, prune.out];
  const { coverage } = JSON.parse(
    prune.out
      .trim()
      .split("\n")
      .findLast((line) => line.startsWith("{")) ?? "",
  ) as {
    coverage: {
      elements: number;
      judged: { elements: number };
      left: { elements: number; share: number }[];
    };
  };
  const elements = [...parameters.values()].reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1),
    0,
  );
  const left = coverage.left.reduce((sum, one) => sum + one.elements, 0);
  if (coverage.elements !== elements || coverage.judged.elements + left !== elements)
    faults.push(`coverage: ${coverage.judged.elements} + ${left} of ${elements}`);
  const file = join(pruned, "model.safetensors");
  const original = readTensors(readFileSync(join(source, "model.safetensors")));
  const bytes = readFileSync(file);
  const tensors = readTensors(bytes);
  const judged = [...parameters].filter(
    ([, parameter]) => parameter.axes !== undefined && isDivided(parameter),
  );
  for (const [name, parameter] of judged) {
    const values = tensors.get(name) ?? new Float32Array(0);
    for (const group of groupsOf(parameter))
      if (group.filter((i) => values[i] === 0).length < 2) {
        faults.push(`${name}: a group with fewer than two zeros at ${group}`);
        break;
      }
    values.forEach((value, i) => {
      if (value !== 0 && value !== original.get(name)?.[i]) faults.push(`${name}: ${i} changed`);
    });
  }
  const names = new Set(judged.map(([name]) => name));
  for (const [name, values] of tensors)
    if (!names.has(name) && values.some((value, i) => value !== original.get(name)?.[i]))
      faults.push(`${name} changed`);
  const verify = (...more: readonly string[]): Run =>
    espalier("verify", pruned, "--pattern", "2:4", "--exclude-head", "false", ...more);
  const uncovered = [...parameters]
    .filter(([, { role, shape }]) => role === "other" && shape.length > 1)
    .map(([name]) => name);
  const expression = uncovered.map((name) => `^${name.replaceAll(".", "\\.")}$`).join("|");
  const allow = uncovered.length > 0 ? ["--allow-uncovered", expression] : [];
  if (verify(...allow).code !== 0) faults.push(`verify: ${verify(...allow).out}`);
  if (uncovered.length > 0) {
    const { code, out } = verify();
    if (code !== 1) faults.push(`verify of uncovered tensors: ${code}`);
    for (const name of uncovered)
      if (!out.includes(name)) faults.push(`${name}: uncovered, not named`);
  }
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, end).toString()) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  for (const [name, parameter] of judged) {
    const [group = []] = groupsOf(parameter);
    const broken = Buffer.from(bytes);
    const [begin] = header[name]?.data_offsets ?? [0];
    for (const i of group) broken.writeFloatLE(1, end + begin + 4 * i);
    writeFileSync(file, broken);
    const { code, out } = verify(...allow);
    const module = name.replace(/\.weight$/, "");
    if (code !== 1 || !out.includes(`FAILED: ${module}`)) faults.push(`${name} broken: ${code}`);
  }
  return faults;
}

const [root = "", ...only] = process.argv.slice(2);
const temporary = mkdtempSync(join(tmpdir(), "espalier-roles-"));
let failed = 0;
for (const model of readdirSync(root)) {
  if (!statSync(join(root, model)).isDirectory() || (only.length > 0 && !only.includes(model)))
    continue;
  const faults = checkModel(join(root, model), model, temporary);
  if (faults.length > 0) failed++;
  console.log(`${model}: ${faults.length === 0 ? "right" : faults.slice(0, 5).join("\n  ")}`);
}
rmSync(temporary, { recursive: true });
console.log(`${failed} models failed`);
process.exitCode = failed === 0 ? 0 : 1;
