/** Assembles the module of a variant. Runs when the package is built, never in it. */
import { ModuleBuilder, type WasmVariant } from "./emitter.ts";
import { addGemm } from "./gemm.ts";

/** Each adds the functions of one kernel, in this order. */
const KERNELS: readonly ((module: ModuleBuilder) => void)[] = [addGemm];

/** The binary of a variant's module. */
export function buildModule(variant: WasmVariant): Uint8Array {
  const module = new ModuleBuilder(variant);
  for (const add of KERNELS) add(module);
  return module.encode();
}
