/**
 * Reads the subset of Python's pickle format that PyTorch's state dicts use. A pickle is a program for a stack machine
 * that can call any function. This reader only builds plain values and references to storages. Calls to functions on an
 * allow-list are recorded, not executed. Any other function is refused, and the problem names it. No value takes more
 * memory than its bytes in the file. Format: Lib/pickletools.py of CPython.
 */
import { type Either, InputError, left, type Problem, refuseInput, right } from "../core/either.ts";
import { decodeLossy } from "./text.ts";

/** A value in the pickle of a state dict. Python's lists become arrays, and dictionaries become maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | { readonly kind: "tuple"; readonly values: readonly PickleValue[] }
  /** A class or function, such as `torch._utils._rebuild_tensor_v2`. */
  | { readonly kind: "global"; readonly name: string }
  /** A recorded call: the name of the function, and its arguments. */
  | { readonly kind: "call"; readonly name: string; readonly values: readonly PickleValue[] }
  /** A reference to data outside the pickle, such as a storage. */
  | { readonly kind: "reference"; readonly id: PickleValue };

export function isKind<K extends "global" | "call" | "reference" | "tuple">(
  value: PickleValue | undefined,
  kind: K,
): value is Extract<PickleValue, { readonly kind: K }> {
  if (typeof value !== "object" || value === null) return false;
  return !Array.isArray(value) && !(value instanceof Map) && value.kind === kind;
}

/** The value of a pickle, and the position of the byte after the pickle. */
interface PickleResult {
  readonly value: PickleValue;
  readonly end: number;
}

/** The classes that are read as dictionaries. The states of learning rate schedulers contain counters. */
const DICTIONARIES: readonly string[] = ["collections.OrderedDict", "collections.Counter"];
/** Marks the beginning of a sequence of values on the stack. */
const MARK = Symbol("mark");
const MOST_INTEGER = 8;

type Item = PickleValue | typeof MARK;

/** The opcode that ends a pickle. */
const STOP = 0x2e;

class Unpickler {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly path: string;
  readonly allowed: ReadonlySet<string>;
  readonly stack: Item[] = [];
  readonly memo = new Map<number, PickleValue>();
  at: number;
  /** The total number of pairs from which dictionaries were made. */
  pairs = 0;

  constructor(path: string, bytes: Uint8Array, begin: number, allowed: ReadonlySet<string>) {
    this.path = path;
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = begin;
    this.allowed = allowed;
  }

  run(): PickleResult {
    for (;;) {
      const code = this.byte();
      if (code === STOP) return { value: this.pop(), end: this.at };
      const operation = OPERATIONS.get(code);
      const got = `operation 0x${code.toString(16).padStart(2, "0")}`;
      if (operation === undefined) this.refuse("only what a state dict is made of", got);
      operation(this);
    }
  }

  refuse(expected: string, got: string): never {
    return refuseInput(`${this.path}: byte ${this.at}`, expected, got);
  }

  take(count: number): number {
    const begin = this.at;
    if (!(begin + count <= this.bytes.length)) this.refuse(`${count} more bytes`, "the end");
    this.at += count;
    return begin;
  }

  byte(): number {
    return this.view.getUint8(this.take(1));
  }

  word(): number {
    return this.view.getUint32(this.take(4), true);
  }

  text(length: number): string {
    const begin = this.take(length);
    return decodeLossy(this.bytes.subarray(begin, begin + length));
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) this.refuse("a line", "the end");
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  integer(length: number): number {
    if (length > MOST_INTEGER) this.refuse("an integer of 64 bits", `one of ${8 * length}`);
    const begin = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--)
      value = (value << 8n) | BigInt(this.bytes[begin + i] ?? 0);
    // The number need not be exact above 2^53, because later checks refuse such counts.
    return length === 0 ? 0 : Number(BigInt.asIntN(8 * length, value));
  }

  pop(): PickleValue {
    const item = this.top();
    this.stack.pop();
    return item;
  }

  top(): PickleValue {
    const item = this.stack.at(-1);
    if (item === undefined || item === MARK) return this.refuse("a value on the stack", "none");
    return item;
  }

  /** Removes the last mark and the values above it. */
  popToMark(): PickleValue[] {
    const mark = this.stack.lastIndexOf(MARK);
    if (mark < 0) this.refuse("a mark on the stack", "none");
    return this.stack.splice(mark).slice(1) as PickleValue[];
  }

  remember(key: number): void {
    this.memo.set(key, this.top());
  }

  recall(key: number): void {
    const value = this.memo.get(key);
    if (value === undefined) this.refuse(`a value remembered as ${key}`, "none");
    else this.stack.push(value);
  }

  append(values: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) this.refuse("a list to append to", "something else");
    for (const value of values) list.push(value);
  }

  setItems(values: readonly PickleValue[]): void {
    const dictionary = this.top();
    if (!(dictionary instanceof Map)) this.refuse("a dictionary", "something else");
    for (let i = 0; i + 1 < values.length; i += 2)
      dictionary.set(values[i] as PickleValue, values[i + 1] as PickleValue);
  }

  global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.allowed.has(full) && !DICTIONARIES.includes(full))
      this.refuse("only what a state dict is made of", `the name ${full}, which is not called`);
    this.stack.push({ kind: "global", name: full });
  }

  /** Creates a dictionary from a list of pairs or from another dictionary. Any other call is recorded. */
  reduce(): void {
    const tuple = this.pop();
    const called = this.pop();
    if (!isKind(tuple, "tuple")) this.refuse("a tuple of arguments", "something else");
    if (!isKind(called, "global")) this.refuse("a function to call", "something else");
    const { values } = tuple;
    const [pairs = []] = values;
    if (!DICTIONARIES.includes(called.name)) this.push({ kind: "call", name: called.name, values });
    // The dictionary is not copied, because a pickle can refer to it many times.
    else if (pairs instanceof Map) this.push(pairs);
    else {
      if (!Array.isArray(pairs)) this.refuse("a list of pairs", "something else");
      this.pairs += pairs.length;
      if (this.pairs > this.bytes.length) this.refuse("every list of pairs once", "copies");
      const entries = pairs.map((pair): [PickleValue, PickleValue] => {
        const [key, value] = isKind(pair, "tuple") ? pair.values : Array.isArray(pair) ? pair : [];
        if (key === undefined || value === undefined)
          return this.refuse("a pair", "something else");
        return [key, value];
      });
      this.stack.push(new Map(entries));
    }
  }

  push(item: Item): void {
    this.stack.push(item);
  }

  tuple(values: readonly PickleValue[]): void {
    this.stack.push({ kind: "tuple", values });
  }

  /** Replaces the last `count` values on the stack with a tuple of them. */
  tupleOf(count: number): void {
    this.tuple(Array.from({ length: count }, () => this.pop()).reverse());
  }

  protocol(): void {
    if (this.byte() > 5) this.refuse("a protocol of at most 5", "a later one");
  }

  stackGlobal(): void {
    const [name, module] = [this.pop(), this.pop()];
    if (typeof name !== "string" || typeof module !== "string")
      this.refuse("the names of a module and a part of it", "something else");
    this.global(module, name);
  }

  /** Drops the attributes of an object, such as the `_metadata` of a state dict. */
  build(): void {
    this.pop();
    this.top();
  }

  /** Reads an integer. PyTorch's old magic number has ten bytes; its value is not needed. */
  longInteger(length: number): number {
    if (length !== 10) return this.integer(length);
    this.take(length);
    return Number.NaN;
  }
}

type Operation = (machine: Unpickler) => void;

/** The supported operations by opcode. All other opcodes are refused. */
const OPERATIONS: ReadonlyMap<number, Operation> = /* @__PURE__ */ new Map<number, Operation>([
  [0x80, (machine) => machine.protocol()], // PROTO
  [0x95, (machine) => machine.take(8)], // FRAME
  [0x28, (machine) => machine.push(MARK)], // MARK
  [0x30, (machine) => machine.stack.pop()], // POP
  [0x4e, (machine) => machine.push(null)], // NONE
  [0x88, (machine) => machine.push(true)], // NEWTRUE
  [0x89, (machine) => machine.push(false)], // NEWFALSE
  [0x4a, (machine) => machine.push(machine.integer(4))], // BININT
  [0x4b, (machine) => machine.push(machine.byte())], // BININT1
  [0x4d, (machine) => machine.push(machine.integer(2) & 0xffff)], // BININT2
  [0x8a, (machine) => machine.push(machine.longInteger(machine.byte()))], // LONG1
  [0x47, (machine) => machine.push(machine.view.getFloat64(machine.take(8), false))], // BINFLOAT
  [0x58, (machine) => machine.push(machine.text(machine.word()))], // BINUNICODE
  [0x54, (machine) => machine.push(machine.text(machine.word()))], // BINSTRING
  [0x8c, (machine) => machine.push(machine.text(machine.byte()))], // SHORT_BINUNICODE
  [0x55, (machine) => machine.push(machine.text(machine.byte()))], // SHORT_BINSTRING
  [0x63, (machine) => machine.global(machine.line(), machine.line())], // GLOBAL
  [0x93, (machine) => machine.stackGlobal()], // STACK_GLOBAL
  [0x71, (machine) => machine.remember(machine.byte())], // BINPUT
  [0x72, (machine) => machine.remember(machine.word())], // LONG_BINPUT
  [0x94, (machine) => machine.remember(machine.memo.size)], // MEMOIZE
  [0x68, (machine) => machine.recall(machine.byte())], // BINGET
  [0x6a, (machine) => machine.recall(machine.word())], // LONG_BINGET
  [0x5d, (machine) => machine.push([])], // EMPTY_LIST
  [0x7d, (machine) => machine.push(new Map())], // EMPTY_DICT
  [0x29, (machine) => machine.tuple([])], // EMPTY_TUPLE
  [0x85, (machine) => machine.tupleOf(1)], // TUPLE1
  [0x86, (machine) => machine.tupleOf(2)], // TUPLE2
  [0x87, (machine) => machine.tupleOf(3)], // TUPLE3
  [0x74, (machine) => machine.tuple(machine.popToMark())], // TUPLE
  [0x61, (machine) => machine.append([machine.pop()])], // APPEND
  [0x65, (machine) => machine.append(machine.popToMark())], // APPENDS
  [0x73, (machine) => machine.setItems([machine.pop(), machine.pop()].reverse())], // SETITEM
  [0x75, (machine) => machine.setItems(machine.popToMark())], // SETITEMS
  [0x51, (machine) => machine.push({ kind: "reference", id: machine.pop() })], // BINPERSID
  [0x52, (machine) => machine.reduce()], // REDUCE
  [0x62, (machine) => machine.build()], // BUILD
]);

/**
 * Reads the pickle that begins at `begin`.
 *
 * @param allowed the names of the classes and functions that the pickle may use; `OrderedDict` and `Counter` are always
 *   accepted
 */
export function readPickle(
  path: string,
  bytes: Uint8Array,
  begin: number,
  allowed: ReadonlySet<string>,
): Either<readonly Problem[], PickleResult> {
  try {
    return right(new Unpickler(path, bytes, begin, allowed).run());
  } catch (error) {
    if (error instanceof InputError) return left(error.problems);
    throw error;
  }
}
