/** Instantiates small modules, to see what instructions do. */
import {
  type FunctionBuilder,
  ModuleBuilder,
  type V128,
  v128,
} from "../../../src/kernels/wasm/emitter.ts";

/** An instantiated module. */
export interface Instance {
  readonly call: (name: string, ...values: number[]) => number;
  readonly memory: DataView;
  readonly heapBase: number;
}

/** Builds a module with SIMD only and instantiates it on two pages. */
export function instantiate(add: (module: ModuleBuilder) => void): Instance {
  const module = new ModuleBuilder("simd");
  add(module);
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 });
  const compiled = new WebAssembly.Module(module.encode().slice());
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return {
    call: (name, ...values) => (exports[name] as (...values: number[]) => number)(...values),
    memory: new DataView(memory.buffer),
    heapBase: (exports.heapBase as WebAssembly.Global).value,
  };
}

/** Where tests lay out operands and results. */
export const LEFT = 1024;
export const RIGHT = 1040;
export const OUT = 1056;

/** Runs an instruction on two vectors of 16 bytes. */
export function onVectors(
  instruction: (a: V128, b: V128, f: FunctionBuilder) => V128,
): (a: ArrayBuffer, b: ArrayBuffer) => ArrayBuffer {
  const { call, memory } = instantiate((module) => {
    module.func("run", {}, (f) => {
      f.store(OUT, instruction(v128.load(LEFT), v128.load(RIGHT), f));
    });
  });
  const bytes = new Uint8Array(memory.buffer);
  return (a, b) => {
    bytes.set(new Uint8Array(a), LEFT);
    bytes.set(new Uint8Array(b), RIGHT);
    call("run");
    return bytes.slice(OUT, OUT + 16).buffer;
  };
}

/** The bytes of int32 and of float32 lanes. */
export const integers = (values: readonly number[]): ArrayBuffer => Int32Array.from(values).buffer;
export const floats = (values: readonly number[]): ArrayBuffer => Float32Array.from(values).buffer;
