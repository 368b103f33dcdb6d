/** Calls functions with hostile arguments, and judges what comes of it. */
import type { ExportedFunction, Parameter } from "./exports.ts";
import { hostileValues } from "./hostile.ts";

/** Makes valid arguments for a function; undefined if no valid call is known. */
export type ValidArguments = (called: ExportedFunction) => readonly unknown[] | undefined;

export interface RawOutcome {
  readonly called: string;
  readonly parameter: string;
  readonly value: string;
  readonly message: string;
}

/** Words of errors that the engine throws, for code that did not expect a value. */
const ENGINE =
  /Cannot (read|destructure|set|convert|mix|perform|define|assign|access|delete|redefine|add)|is not (a function|iterable|a constructor|defined|an object|extensible)|Invalid (typed )?array (buffer )?length|Array buffer allocation|allocation failed|Maximum call stack|out of memory|is not valid JSON|Method .* called on incompatible|Reduce of empty|could not be cloned|thrown by|offset is out of bounds|Invalid string length|detached|revoked$/;

/** Whether an error is one that a function may throw for a wrong argument: it names the parameter. */
function isRefusal(error: unknown, { name, keys }: Parameter): boolean {
  if (!(error instanceof TypeError) && !(error instanceof RangeError)) return false;
  if (ENGINE.test(error.message)) return false;
  // The problems of a parsed file or configuration name places in it, and those of pruning name settings and layers.
  if (["InputError", "PruningError", "Refusal"].includes(error.name)) return true;
  // A message may name the option of an object of options, which the parameter's type lists.
  const names = [name, ...keys, ...(name.match(/\w+/g) ?? [])];
  return names.some((one) => new RegExp(`(^|\\W)${one}(\\W|$)`).test(error.message));
}

/** Waits for what a call returns: promises settle, and iterators give their first result. */
async function settle(result: unknown): Promise<void> {
  if (typeof result !== "object" || result === null) return;
  const value = result as {
    then?: unknown;
    next?: unknown;
    return?: unknown;
    stop?: unknown;
    terminate?: unknown;
  };
  if (typeof value.then === "function") return settle(await (result as Promise<unknown>));
  if (typeof value.next === "function" && Symbol.asyncIterator in value) {
    await (result as AsyncIterator<unknown>).next();
    await (result as AsyncIterator<unknown>).return?.();
  } else if (typeof value.next === "function") {
    (result as Iterator<unknown>).next();
    (result as Iterator<unknown>).return?.();
  } else if (typeof value.stop === "function") (value.stop as () => void).call(value);
}

const message = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;

/** One argument, or one option of an argument, and the hostile value that replaces it. */
interface Replacement {
  readonly position: number;
  readonly parameter: Parameter;
  readonly value: string;
  readonly make: (argument: unknown) => unknown;
}

function* replacements(called: ExportedFunction, valid: ValidArguments): Generator<Replacement> {
  for (const [position, parameter] of called.parameters.entries()) {
    for (const [value, make] of Object.entries(hostileValues(parameter.keys)))
      yield { position, parameter, value, make };
    const argument = valid(called)?.[position];
    if (typeof argument !== "object" || argument === null) continue;
    for (const key of parameter.keys)
      for (const [value, make] of Object.entries(hostileValues([])))
        yield {
          position,
          parameter: { ...parameter, name: `${parameter.name}.${key}`, keys: [key] },
          value,
          make: (options) => ({ ...(options as object), [key]: make() }),
        };
  }
}

/** Calls a function with every hostile value in every position. Returns the raw errors and the number of calls. */
export async function callHostile(
  called: ExportedFunction,
  target: (...args: readonly unknown[]) => unknown,
  valid: ValidArguments,
  progress: (call: string) => void = () => {},
): Promise<{ readonly calls: number; readonly raw: readonly RawOutcome[] }> {
  const raw: RawOutcome[] = [];
  let calls = 0;
  for (const { position, parameter, value, make } of replacements(called, valid)) {
    const args = [...(valid(called) ?? called.parameters.map(() => undefined))];
    while (args.length <= position) args.push(undefined);
    args[position] = make(args[position]);
    calls++;
    progress(`${called.entry}:${called.name} ${parameter.name} ${value}`);
    try {
      await settle(target(...args));
    } catch (error) {
      // What a caller's function throws is the caller's own.
      const own = value === "throwing function" && String(error).includes("thrown by a function");
      if (!own && !isRefusal(error, parameter))
        raw.push({
          called: `${called.entry}:${called.name}`,
          parameter: parameter.name,
          value,
          message: message(error),
        });
    }
  }
  return { calls, raw };
}
