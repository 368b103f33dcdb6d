/** The table of vector constants of a module. */
import type { V128 } from "./expressions.ts";
import { v128 } from "./vector-instructions.ts";

/** Constants of 16 bytes, each stored once, at addresses from `start` on. */
export class ConstantTable {
  readonly bytes: number[] = [];
  readonly start: number;
  readonly #addresses: Map<string, number> = new Map();

  constructor(start: number) {
    this.start = start;
  }

  /** A load of the constant. */
  load(bytes: readonly number[]): V128 {
    const key = bytes.join();
    let address = this.#addresses.get(key);
    if (address === undefined) {
      address = this.start + this.bytes.length;
      this.bytes.push(...bytes);
      this.#addresses.set(key, address);
    }
    return v128.load(0, address);
  }
}
