/** `espalier self-test`: compares the results of this engine's compiled kernels with those of scalar loops. */
import { runSelfTest, type SelfTest } from "../conform/self-test.ts";
import { createBackend } from "../kernels/backend.ts";
import type { KernelVariant } from "../kernels/table.ts";
import type { Engine } from "../node/engine.ts";
import { type Command, defineCommand } from "./command.ts";
import { choiceOption } from "./options.ts";

const VARIANTS = ["revectorized", "fma", "simd", "scalar"] as const satisfies KernelVariant[];

const OPTIONS = {
  variant: choiceOption(VARIANTS, "kernels to test (default: all that run here)"),
} as const;

/** Makes V8 optimise code immediately, so that the test executes the same code as a long run. */
const OPTIMISE = "--no-liftoff";

type Outcome =
  | { readonly kind: "tested"; readonly variant: KernelVariant; readonly result: SelfTest }
  | { readonly kind: "unavailable"; readonly variant: KernelVariant; readonly reason: string };

function testVariant(variant: KernelVariant, engine: Engine | null): Outcome {
  if (engine !== null && (variant === "revectorized" || variant === "fma")) {
    const flags = engine.flagsOf(variant);
    if (flags === undefined)
      return { kind: "unavailable", variant, reason: "this engine has no flag for it" };
    engine.turnOn([...flags, OPTIMISE]);
  }
  try {
    return { kind: "tested", variant, result: runSelfTest(createBackend({ variant })) };
  } catch (error) {
    return { kind: "unavailable", variant, reason: String(error) };
  }
}

function textOf(outcome: Outcome): string {
  const name = outcome.variant.padEnd(14);
  if (outcome.kind === "unavailable") return `${name}not available: ${outcome.reason}`;
  const { passed, worst, at } = outcome.result;
  return `${name}${passed ? "passed" : "FAILED"}: largest difference ${worst.toExponential(1)}, at ${at}`;
}

export const selfTestCommand: Command = defineCommand({
  name: "self-test",
  summary: "check the compiled kernels of this engine against scalar loops",
  description: [
    "Runs one training step of a small BERT on each kind of kernels and compares the loss and all gradients with those of scalar loops. Exit code 1 if one differs, or if the variant asked for is not available.",
  ],
  positionals: [],
  options: OPTIONS,
  run: async ({ values: { variant }, json }, console) => {
    // A flag cannot be turned off again, so variants that need no flags are tested first.
    const names = variant === undefined ? [...VARIANTS].reverse() : [variant];
    const outcomes = names.map((name) => testVariant(name, console.engine));
    for (const outcome of outcomes)
      console.out.write(`${json ? JSON.stringify(outcome) : textOf(outcome)}\n`);
    const isGood = (outcome: Outcome): boolean =>
      outcome.kind === "tested" ? outcome.result.passed : variant === undefined;
    return outcomes.every(isGood) ? 0 : 1;
  },
});
