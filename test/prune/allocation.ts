/** Counts the arrays that a run makes. */

const CONSTRUCTORS = [
  "ArrayBuffer",
  "Float32Array",
  "Float64Array",
  "Int32Array",
  "Uint8Array",
  "Uint16Array",
  "Uint32Array",
] as const;
const METHODS = ["subarray", "slice", "map", "filter"] as const;

/** Runs a function and returns what typed arrays, views of them and buffers it made. */
export function arraysMadeBy(run: () => void): string[] {
  const made: string[] = [];
  const globals = globalThis as unknown as Record<string, object>;
  const originals = CONSTRUCTORS.map((name) => globals[name] as object);
  const prototype = Object.getPrototypeOf(Float32Array.prototype) as Record<string, unknown>;
  const methods = METHODS.map((name) => prototype[name]);
  CONSTRUCTORS.forEach((name, i) => {
    globals[name] = new Proxy(originals[i] as object, {
      construct(target, parameters, self) {
        made.push(name);
        return Reflect.construct(target as never, parameters, self);
      },
      get(target, key) {
        if (key === "from" || key === "of") made.push(`${name}.${key}`);
        return Reflect.get(target, key);
      },
    });
  });
  METHODS.forEach((name, i) => {
    prototype[name] = function (this: unknown, ...parameters: unknown[]): unknown {
      made.push(name);
      return Reflect.apply(methods[i] as never, this, parameters);
    };
  });
  try {
    run();
  } finally {
    CONSTRUCTORS.forEach((name, i) => {
      globals[name] = originals[i] as object;
    });
    METHODS.forEach((name, i) => {
      prototype[name] = methods[i];
    });
  }
  return made;
}
