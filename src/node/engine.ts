/**
 * Turns on flags of the JavaScript engine that make kernels faster, after a self-test of the kernels with these flags.
 */
import { execFile } from "node:child_process";
import v8 from "node:v8";
import { refuseInput } from "../core/either.ts";
import { availableVariants } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";

/** The variants that may need an engine flag. */
type FlaggedVariant = Extract<KernelVariant, "revectorized" | "fma">;

/** The variants that may need a flag, from the fastest to the slowest. */
const FLAGGED: readonly FlaggedVariant[] = ["revectorized", "fma"];

/**
 * The first major version of Node that runs relaxed SIMD without a flag. The baseline compiler of earlier versions
 * compiles relaxed dot products wrongly (see `kernels/wasm/dot-probe.ts`).
 */
const RELAXED_SIMD_IS_ON = 22;
/** The first major version of Node whose V8 correctly joins pairs of 128-bit vectors to 256-bit vectors. */
const REVECTORIZATION = 24;

/** Access to the JavaScript engine. Commands receive it as an argument, so that tests can replace it. */
export interface Engine {
  /** Returns the flags that a variant needs; undefined if this engine cannot run the variant. */
  readonly flagsOf: (variant: FlaggedVariant) => readonly string[] | undefined;
  /** Runs the self-test of a variant in another process. Resolves to whether it passed. */
  readonly test: (variant: FlaggedVariant) => Promise<boolean>;
  readonly turnOn: (flags: readonly string[]) => void;
}

/**
 * Returns the V8 flags that `variant` needs in the given version of Node; undefined if the variant cannot run. V8 joins
 * vectors only on x64.
 */
export function engineFlags(
  version: string,
  variant: FlaggedVariant,
  architecture: string = process.arch,
): readonly string[] | undefined {
  const major = Number.parseInt(version, 10);
  const relaxed =
    major < RELAXED_SIMD_IS_ON ? ["--experimental-wasm-relaxed-simd", "--no-liftoff"] : [];
  if (variant === "fma") return relaxed;
  if (major < REVECTORIZATION || architecture !== "x64") return undefined;
  return ["--experimental-wasm-revectorize"];
}

/** Returns the engine of this process. `script` is the path of the espalier command, which runs the self-test. */
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
 * Turns on the flags of a variant without a self-test, for commands that test or time kernels.
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

/** The variant to run, and notes about the choice. */
interface ChosenVariant {
  readonly variant: KernelVariant | "auto";
  readonly notes: readonly string[];
  /** The notes about kernels that failed their self-test in this engine. */
  readonly failures: readonly string[];
}

/**
 * Chooses a variant and turns on its flags. `auto` selects the fastest variant that passes its self-test; if none does,
 * `simd`, or `scalar` without SIMD. Without an engine, nothing is tested or turned on.
 *
 * @throws InputError if the requested variant fails its self-test
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
    refuseInput("`variant`", "kernels that pass their self-test here", asked);
  const safe = availableVariants().includes("simd") ? "simd" : "scalar";
  return { variant: asked === "auto" ? safe : asked, notes, failures };
}
