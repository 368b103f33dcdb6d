import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type F32,
  f32x4,
  f64,
  type I32,
  i32,
  ModuleBuilder,
  v128,
} from "../../../src/kernels/wasm/emitter.ts";
import { signed, unsigned } from "../../../src/kernels/wasm/encoding.ts";
import { floats, instantiate, LEFT, OUT, onVectors } from "./instance.ts";

describe("functions", () => {
  /** A function of one or two integers. */
  const build = (body: Parameters<ModuleBuilder["func"]>[2]) => {
    const { call } = instantiate((module) => module.func("run", { a: "i32", b: "i32" }, body));
    return (a: number, b = 0) => call("run", a, b);
  };

  it("declare variables, and parameters are variables", () => {
    const run = build((f, { a, b }) => {
      const [x, y] = [a as I32, b as I32];
      const sum = f.let(i32.add(x, y));
      const product = f.local("i32");
      f.increment(product, i32.mul(sum, sum));
      return product;
    });
    expect(run(2, 3)).toBe(25);
  });

  it("of the same type share it, and variables of the same type their declaration", () => {
    const size = (variables: number, names: readonly string[]): number => {
      const module = new ModuleBuilder("simd");
      for (const name of names)
        module.func(name, { a: "i32" }, (f) => {
          for (let i = 0; i < variables; i++) f.local("i32");
        });
      return module.encodeWithoutMemory().length;
    };
    expect(size(9, ["a"])).toBe(size(1, ["a"]));
    // The second function: 1 byte for its type, 4 for its export, 5 for its body with 2 for variables.
    expect(size(1, ["a", "b"]) - size(1, ["a"])).toBe(1 + 4 + 5);
  });

  it("loop before and after the condition, and count", () => {
    const { call } = instantiate((module) => {
      module.func("while", { n: "i32" }, (f, { n }) => {
        const steps = f.local("i32");
        f.while(i32.gtS(n, 0), () => {
          f.increment(n, -3);
          f.increment(steps, 1);
        });
        return steps;
      });
      module.func("doWhile", { n: "i32" }, (f, { n }) => {
        const steps = f.local("i32");
        f.doWhile(i32.gtS(n, 0), () => {
          f.increment(n, -3);
          f.increment(steps, 1);
        });
        return steps;
      });
      module.func("for", { from: "i32", below: "i32", step: "i32" }, (f, { from, below, step }) => {
        const sum = f.local("i32");
        f.for(from, below, step, (i) => f.increment(sum, i));
        return sum;
      });
    });
    expect([0, 1, 3, 4, -2].map((n) => call("while", n))).toEqual([0, 1, 1, 2, 0]);
    expect([0, 1, 3, 4, -2].map((n) => call("doWhile", n))).toEqual([1, 1, 1, 2, 1]);
    expect(call("for", 1, 10, 3)).toBe(1 + 4 + 7);
    expect(call("for", 10, 10, 1)).toBe(0);
    expect(call("for", -5, -2, 1)).toBe(-12);
  });

  it("branch, and leave blocks from any depth", () => {
    const { call } = instantiate((module) => {
      module.func("sign", { a: "i32" }, (f, { a }) => {
        const sign = f.local("i32");
        f.if(
          i32.ltS(a, 0),
          () => f.set(sign, -1),
          () => f.if(a, () => f.set(sign, 1)),
        );
        return sign;
      });
      module.func("search", { limit: "i32" }, (f, { limit }) => {
        const count = f.local("i32");
        f.block((outer) => {
          f.for(0, 10, 1, (i) => {
            f.block((inner) => {
              f.exitIf(inner, i32.and(i, 1));
              f.exitIf(outer, i32.gtS(i, limit));
              f.increment(count, 1);
            });
          });
          f.set(count, 100);
        });
        return count;
      });
    });
    expect([-5, 0, 7].map((a) => call("sign", a))).toEqual([-1, 0, 1]);
    expect([-1, 0, 5, 8].map((limit) => call("search", limit))).toEqual([0, 1, 3, 100]);
  });

  it("call functions by parameter names, in any order", () => {
    const { call, memory } = instantiate((module) => {
      const put = module.internal({ at: "i32", value: "f32" }, (f, { at, value }) =>
        f.store(at, value as F32),
      );
      module.func("run", {}, (f) => {
        f.run(put, { value: 1.5, at: OUT });
        f.store(OUT, f64.load(LEFT), 8);
        f.store(OUT, i32.const(77), 16);
      });
    });
    memory.setFloat64(LEFT, -2.5, true);
    call("run");
    expect(memory.getFloat32(OUT, true)).toBe(1.5);
    expect(memory.getFloat64(OUT + 8, true)).toBe(-2.5);
    expect(memory.getInt32(OUT + 16, true)).toBe(77);
  });

  it("refuse what WASM has no form for", () => {
    expect(() => v128.load(0, -4)).toThrow(RangeError);
    expect(() => build((f) => f.set(f.local("v128"), 3 as never))).toThrow(TypeError);
  });
});

describe("modules", () => {
  it("keep each constant once, below the heap", () => {
    const { call, memory, heapBase } = instantiate((module) => {
      module.func("run", {}, (f) => {
        f.store(OUT, f32x4.add(f.constantF32x4(1.5), f.constantF32x4(1.5)));
        f.store(OUT, f.constantF32x4([1, 2, 3, 4]), 16);
        f.store(OUT, f.constantI32x4(-7), 32);
      });
    });
    call("run");
    expect(memory.getFloat32(OUT + 12, true)).toBe(3);
    expect([0, 4, 8, 12].map((at) => memory.getFloat32(OUT + 16 + at, true))).toEqual([1, 2, 3, 4]);
    expect(memory.getInt32(OUT + 36, true)).toBe(-7);
    expect(heapBase).toBe(128); // 64 bytes nobody uses, and three constants
  });

  it("tell zeros of different sign apart", () => {
    const { call, memory } = instantiate((module) => {
      module.func("run", {}, (f) => {
        f.store(OUT, f.constantF32x4(0));
        f.store(OUT, f.constantF32x4(-0), 16);
      });
    });
    call("run");
    expect(memory.getFloat32(OUT, true)).toBe(0);
    expect(memory.getFloat32(OUT + 16, true)).toBe(-0);
  });

  it("multiply and add with two roundings unless fused", () => {
    const run = onVectors((a, b, f) => f.madd(a, b, b));
    const less = onVectors((a, b, f) => f.nmadd(a, b, b));
    const [x, y] = [Math.fround(0.1), Math.fround(0.7)];
    const product = Math.fround(x * y);
    const operands = [floats([x, x, x, x]), floats([y, y, y, y])] as const;
    expect(new Float32Array(run(...operands))[0]).toBe(Math.fround(product + y));
    expect(new Float32Array(less(...operands))[0]).toBe(Math.fround(y - product));
  });
});

describe("numbers of the binary format", () => {
  it("are LEB128", () => {
    expect(unsigned(624485)).toEqual([0xe5, 0x8e, 0x26]);
    expect(signed(-123456)).toEqual([0xc0, 0xbb, 0x78]);
  });

  it("decode to themselves", () => {
    const { call } = instantiate((module) => module.func("zero", {}, () => i32.const(0)));
    expect(call("zero")).toBe(0);
    fc.assert(
      fc.property(fc.integer(), (value) => {
        const bytes = signed(value);
        const bits = bytes.reduce(
          (sum, byte, i) => sum | (BigInt(byte & 0x7f) << BigInt(7 * i)),
          0n,
        );
        expect(BigInt.asIntN(7 * bytes.length, bits)).toBe(BigInt(value));
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
        const sum = unsigned(value).reduce(
          (total, byte, i) => total + (byte & 0x7f) * 2 ** (7 * i),
          0,
        );
        expect(sum).toBe(value);
      }),
    );
  });
});
