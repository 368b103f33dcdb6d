/** Values that no function of the package expects. Each call gets new ones. */
import { runInNewContext } from "node:vm";

/** An object with a property of each name whose getter throws. */
function throwingGetters(names: readonly string[]): object {
  const object = {};
  for (const name of names)
    Object.defineProperty(object, name, {
      enumerable: true,
      get() {
        throw new Error("thrown by a getter");
      },
    });
  return object;
}

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A proxy whose every trap throws. */
function throwingProxy(target: object): unknown {
  const fail = () => {
    throw new Error("thrown by a trap");
  };
  return new Proxy(target, {
    get: fail,
    has: fail,
    ownKeys: fail,
    getPrototypeOf: fail,
    getOwnPropertyDescriptor: fail,
  });
}

function detached(): unknown {
  const array = new Float32Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

/** A list that would contain itself. */
function cycle(): unknown {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

/** The hostile values by their descriptions. `keys` are the names of the properties that the parameter's type has. */
export function hostileValues(keys: readonly string[]): Readonly<Record<string, () => unknown>> {
  return {
    undefined: () => undefined,
    null: () => null,
    true: () => true,
    "0": () => 0,
    "-0": () => -0,
    "-1": () => -1,
    "1.5": () => 1.5,
    NaN: () => Number.NaN,
    Infinity: () => Number.POSITIVE_INFINITY,
    "2^31": () => 2 ** 31,
    "2^53": () => 2 ** 53,
    BigInt: () => 10n,
    symbol: () => Symbol("s"),
    "empty string": () => "",
    string: () => "a",
    "string with NUL": () => "\0",
    "long string": () => "4x1".repeat(10_000),
    __proto__: () => "__proto__",
    "empty array": () => [],
    "array of undefined": () => [undefined],
    "array of null": () => [null],
    "array of NaN": () => [Number.NaN],
    "array of -1": () => [-1],
    "array of huge": () => [2 ** 31, 2 ** 31],
    "array of objects": () => [{}],
    "array of strings": () => ["a"],
    "array of symbols": () => [Symbol("s")],
    "array of BigInts": () => [10n],
    "array of throwing getters": () => [throwingGetters(["name", "shape", "data", "kind"])],
    "array of revoked proxies": () => [revoked({})],
    "array with a hole": () => new Array(3),
    "sparse array": () => new Array(2 ** 32 - 1),
    "cyclic array": cycle,
    "empty object": () => ({}),
    "object without prototype": () => Object.create(null),
    "frozen object": () => Object.freeze({ a: 1 }),
    "array-like of length 2^53-1": () => ({ length: 2 ** 53 - 1 }),
    "array-like of length -1": () => ({ length: -1 }),
    "object of undefined": () => Object.fromEntries(keys.map((key) => [key, undefined])),
    "object of null": () => Object.fromEntries(keys.map((key) => [key, null])),
    "object of numbers": () => Object.fromEntries(keys.map((key) => [key, 7])),
    "object of strings": () => Object.fromEntries(keys.map((key) => [key, "a"])),
    "object of objects": () => Object.fromEntries(keys.map((key) => [key, {}])),
    "throwing getters": () => throwingGetters(keys.length > 0 ? keys : ["length", "data", "then"]),
    "throwing conversion": () => ({
      toString() {
        throw new Error("thrown by a conversion");
      },
    }),
    function: () => () => undefined,
    "throwing function": () => () => {
      throw new RangeError("thrown by a function");
    },
    class: () => class {},
    Map: () =>
      new Map<unknown, unknown>([
        ["a", undefined],
        [Symbol("s"), 1],
      ]),
    "Map of objects": () => new Map([["a", {}]]),
    Set: () => new Set([1]),
    Date: () => new Date(0),
    RegExp: () => /a/,
    Promise: () => Promise.resolve(1),
    Error: () => new Error("an argument"),
    "throwing iterable": () => ({
      [Symbol.iterator]() {
        throw new Error("thrown by an iterator");
      },
    }),
    "proxy of an object": () => new Proxy({}, {}),
    "proxy of an array": () => new Proxy([1], {}),
    "proxy of a typed array": () => new Proxy(new Float32Array(4), {}),
    "throwing proxy": () => throwingProxy({}),
    "throwing proxy of an array": () => throwingProxy([]),
    "throwing proxy of a function": () => throwingProxy(() => undefined),
    "revoked proxy": () => revoked({}),
    "revoked proxy of an array": () => revoked([]),
    "revoked proxy of a function": () => revoked(() => undefined),
    "empty Float32Array": () => new Float32Array(0),
    "Float32Array of NaN": () => new Float32Array(4).fill(Number.NaN),
    Float64Array: () => new Float64Array(4),
    Int32Array: () => Int32Array.of(-1, 2 ** 31 - 1),
    Uint8Array: () => Uint8Array.of(1, 2, 255),
    BigInt64Array: () => BigInt64Array.of(1n),
    DataView: () => new DataView(new ArrayBuffer(8)),
    ArrayBuffer: () => new ArrayBuffer(8),
    SharedArrayBuffer: () => new SharedArrayBuffer(8),
    "detached Float32Array": detached,
    "Float32Array of another realm": () => runInNewContext("new Float32Array(4)"),
    "Uint8Array of another realm": () => runInNewContext("new Uint8Array(4)"),
    "array of another realm": () => runInNewContext("[1, 2]"),
    "object of another realm": () => runInNewContext("({ a: 1 })"),
    "Map of another realm": () => runInNewContext("new Map([['a', 1]])"),
  };
}
