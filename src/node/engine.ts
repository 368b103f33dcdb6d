/** Flags of the JavaScript engine that make kernels faster, and whether its kernels can be trusted with them. */
import { execFile } from "node:child_process";
import v8 from "node:v8";
import { InputError } from "../core/either.ts";
import { availableVariants } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";

/** A variant that may need a flag. */
type FlaggedVariant = Extract<KernelVariant, "revectorized" | "fma">;

/** The fastest first. */
const FLAGGED: readonly FlaggedVariant[] = ["revectorized", "fma"];

/** The first version of Node that runs relaxed SIMD without a flag. */
const RELAXED_SIMD_IS_ON = 22;
/** The first version of Node whose V8 joins vectors in pairs correctly. */
const REVECTORIZATION = 24;

/** The engine as the command sees it: injected, so that tests run without one. */
export interface Engine {
  /** Flags that a variant needs here; undefined if this engine cannot run it. */
  readonly flagsOf: (variant: FlaggedVariant) => readonly string[] | undefined;
  /** Runs the self-test with these flags in another process, and says whether it passed. */
  readonly test: (variant: FlaggedVariant) => Promise<boolean>;
  readonly turnOn: (flags: readonly string[]) => void;
}

/** Flags by Node's version and the processor's architecture. V8 joins vectors only on x64. */
export function engineFlags(
  version: string,
  variant: FlaggedVariant,
  architecture: string = process.arch,
): readonly string[] | undefined {
  const major = Number.parseInt(version, 10);
  const relaxed = major < RELAXED_SIMD_IS_ON ? ["--experimental-wasm-relaxed-simd"] : [];
  if (variant === "fma") return relaxed;
  if (major < REVECTORIZATION || architecture !== "x64") return undefined;
  return ["--experimental-wasm-revectorize"];
}

/** The engine that runs this program; `script` is the espalier command. */
export function nodeEngine(script: string): Engine {
  return {
    flagsOf: (variant) => engineFlags(process.versions.node, variant),
    test: (variant) =>
      new Promise((resolve) => {
        const command = [...process.execArgv, script, "self-test", "--variant", variant];
        execFile(process.execPath, command, (error) => resolve(error === null));
      }),
    turnOn: (flags) => {
      for (const flag of flags) v8.setFlagsFromString(flag);
    },
  };
}

/**
 * Turns on what a variant needs, without a test: for commands that test or time kernels.
 *
 * @returns whether the engine can run the variant
 */
export function turnOnFlagsOf(variant: string | undefined, engine: Engine | null): boolean {
  const flagged = FLAGGED.find((one) => one === variant);
  if (flagged === undefined) return true;
  const flags = engine?.flagsOf(flagged);
  if (flags === undefined) return false;
  engine?.turnOn(flags);
  return true;
}

/** Kernels to run, and how they were chosen. */
interface ChosenVariant {
  readonly variant: KernelVariant | "auto";
  readonly notes: readonly string[];
  /** The notes on kernels that compute wrongly here. */
  readonly failures: readonly string[];
}

/**
 * Turns on what a variant needs. `auto` takes the fastest variant that passes its test here, or else kernels without
 * such instructions. Without an engine nothing is tested or turned on.
 *
 * @throws InputError if the variant asked for fails its test
 */
export async function chooseVariant(
  asked: KernelVariant | "auto",
  engine: Engine | null,
): Promise<ChosenVariant> {
  const notes: string[] = [];
  const failures: string[] = [];
  if (engine === null) return { variant: asked, notes, failures };
  const wanted = FLAGGED.filter((variant) => asked === "auto" || asked === variant);
  for (const variant of wanted) {
    const flags = engine.flagsOf(variant);
    if (flags === undefined) {
      notes.push(`kernels: this engine has no flag for ${variant}`);
      continue;
    }
    const named = flags.length === 0 ? "no flag needed" : flags.join(" ");
    const passed = await engine.test(variant);
    notes.push(`kernels: ${variant} (${named}) ${passed ? "passed" : "failed"} its self-test`);
    if (passed) {
      engine.turnOn(flags);
      return { variant, notes, failures };
    }
    failures.push(...notes.slice(-1));
  }
  if (asked !== "auto" && failures.length > 0)
    throw new InputError([
      { path: "`variant`", expected: "kernels that pass their self-test here", got: asked },
    ]);
  const safe = availableVariants().includes("simd") ? "simd" : "scalar";
  return { variant: asked === "auto" ? safe : asked, notes, failures };
}
