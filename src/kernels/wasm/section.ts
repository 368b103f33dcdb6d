/** The custom section of a WASM module of kernels, which states the variant and the contents. */
import { checkKind, mismatch } from "../../core/checks.ts";
import type { WasmVariant } from "./emitter.ts";

/** Which kernels a module has: all, or only those that inference calls. */
export type ModuleContents = "all" | "inference";

/** The name of the custom section. Its content is a variant and {@link ModuleContents}, such as `fma inference`. */
export const SECTION: "espalier.kernels" = "espalier.kernels";

interface Stated {
  readonly variant: WasmVariant;
  readonly contents: ModuleContents;
}

const STATED = /^(simd|fma|revectorized) (all|inference)$/;

/**
 * Returns what a module states about itself.
 *
 * @throws TypeError if the value is not a compiled module, RangeError if it is not a module of this version's kernels
 */
export function statedBy(name: string, module: unknown): Stated {
  const isModule = typeof WebAssembly !== "undefined" && module instanceof WebAssembly.Module;
  checkKind(isModule, name, "a WebAssembly.Module", module);
  const [section] = WebAssembly.Module.customSections(module, SECTION);
  const text = section === undefined ? null : String.fromCharCode(...new Uint8Array(section));
  const stated = STATED.exec(text ?? "");
  if (stated !== null) {
    const [, variant, contents] = stated;
    return { variant: variant as WasmVariant, contents: contents as ModuleContents };
  }
  const got =
    text === null ? `one without the section ${SECTION}` : `one of "${text.slice(0, 60)}"`;
  throw new RangeError(mismatch(name, "a module of Espalier's kernels", got));
}
