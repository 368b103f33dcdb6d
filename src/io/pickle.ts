/**
 * The part of Python's pickle format that state dicts of PyTorch use. A pickle is a program for a stack machine, which can
 * call any function. This machine builds plain values and references to storages, records calls of the functions on an
 * allow-list, and refuses everything else by name. It executes nothing, and no value is larger than the bytes it came
 * from. Format: Lib/pickletools.py of CPython.
 */
import { type Either, left, type Problem, right } from "../core/either.ts";
import { isKind, type PickleValue } from "./pickle-value.ts";

/** A value, and the position after its pickle. */
interface PickleResult {
  readonly value: PickleValue;
  readonly end: number;
}

/** Why a pickle is refused. Thrown inside this file, and returned as a problem. */
class Refusal extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super("refused");
    this.problem = problem;
  }
}

const ORDERED_DICT = "collections.OrderedDict";
/** The beginning of a list of values on the stack. */
const MARK = Symbol("mark");
/** The most bytes of an integer. */
const MOST_INTEGER = 8;

type Item = PickleValue | typeof MARK;

/** The machine that runs a pickle. */
class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #path: string;
  readonly #allowed: ReadonlySet<string>;
  readonly #stack: Item[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;

  constructor(path: string, bytes: Uint8Array, begin: number, allowed: ReadonlySet<string>) {
    this.#path = path;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = begin;
    this.#allowed = allowed;
  }

  run(): PickleResult {
    for (;;) {
      const operation = this.#byte();
      if (operation === 0x2e) return { value: this.#pop(), end: this.#at };
      this.#execute(operation);
    }
  }

  #refuse(expected: string, got: string): never {
    throw new Refusal({ path: `${this.#path}: byte ${this.#at}`, expected, got });
  }

  #take(count: number): number {
    const begin = this.#at;
    if (!(begin + count <= this.#bytes.length)) this.#refuse(`${count} more bytes`, "the end");
    this.#at += count;
    return begin;
  }

  #byte(): number {
    return this.#view.getUint8(this.#take(1));
  }

  #word(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  #text(length: number): string {
    const begin = this.#take(length);
    return new TextDecoder().decode(this.#bytes.subarray(begin, begin + length));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) this.#refuse("a line", "the end");
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #integer(length: number): number {
    if (length > MOST_INTEGER) this.#refuse("an integer of 64 bits", `one of ${8 * length}`);
    const begin = this.#take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--)
      value = (value << 8n) | BigInt(this.#bytes[begin + i] ?? 0);
    // Counts beyond 2^53 are refused later, so the number need not be exact.
    return length === 0 ? 0 : Number(BigInt.asIntN(8 * length, value));
  }

  #pop(): PickleValue {
    const item = this.#stack.pop();
    if (item === undefined || item === MARK) return this.#refuse("a value on the stack", "none");
    return item;
  }

  #top(): PickleValue {
    const item = this.#stack.at(-1);
    if (item === undefined || item === MARK) return this.#refuse("a value on the stack", "none");
    return item;
  }

  /** Removes the last mark and the values above it. */
  #popToMark(): PickleValue[] {
    const mark = this.#stack.lastIndexOf(MARK);
    if (mark < 0) this.#refuse("a mark on the stack", "none");
    return this.#stack.splice(mark).slice(1) as PickleValue[];
  }

  #remember(key: number): void {
    this.#memo.set(key, this.#top());
  }

  #recall(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) this.#refuse(`a value remembered as ${key}`, "none");
    else this.#stack.push(value);
  }

  #append(values: readonly PickleValue[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) this.#refuse("a list to append to", "something else");
    for (const value of values) list.push(value);
  }

  #setItems(values: readonly PickleValue[]): void {
    const dictionary = this.#top();
    if (!(dictionary instanceof Map)) this.#refuse("a dictionary", "something else");
    for (let i = 0; i + 1 < values.length; i += 2)
      dictionary.set(values[i] as PickleValue, values[i + 1] as PickleValue);
  }

  #global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!this.#allowed.has(full) && full !== ORDERED_DICT)
      this.#refuse("only what a state dict is made of", `the name ${full}, which is not called`);
    this.#stack.push({ kind: "global", name: full });
  }

  /** A call: an ordered dictionary is made at once, other calls are recorded. */
  #reduce(): void {
    const values = this.#pop();
    const called = this.#pop();
    if (!isKind(values, "tuple")) this.#refuse("a tuple of arguments", "something else");
    if (!isKind(called, "global")) this.#refuse("a function to call", "something else");
    if (called.name !== ORDERED_DICT)
      this.#stack.push({ kind: "call", name: called.name, values: values.values });
    else {
      const [pairs = []] = values.values;
      if (!Array.isArray(pairs)) this.#refuse("a list of pairs", "something else");
      const entries = pairs.map((pair): [PickleValue, PickleValue] => {
        const two = isKind(pair, "tuple") ? pair.values : Array.isArray(pair) ? pair : [];
        const [key, value] = two;
        if (key === undefined || value === undefined)
          return this.#refuse("a pair", "something else");
        return [key, value];
      });
      this.#stack.push(new Map(entries));
    }
  }

  #tuple(values: readonly PickleValue[]): void {
    this.#stack.push({ kind: "tuple", values });
  }

  /** The magic number of the legacy format has ten bytes. Its value is not used. */
  #longInteger(length: number): number {
    if (length !== 10) return this.#integer(length);
    this.#take(length);
    return Number.NaN;
  }

  #execute(operation: number): void {
    const stack = this.#stack;
    switch (operation) {
      case 0x80: // PROTO
        if (this.#byte() > 5) this.#refuse("a protocol of at most 5", "a later one");
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        stack.push(MARK);
        return;
      case 0x30: // POP
        stack.pop();
        return;
      case 0x4e: // NONE
        stack.push(null);
        return;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(operation === 0x88);
        return;
      case 0x4a: // BININT
        stack.push(this.#view.getInt32(this.#take(4), true));
        return;
      case 0x4b: // BININT1
        stack.push(this.#byte());
        return;
      case 0x4d: // BININT2
        stack.push(this.#view.getUint16(this.#take(2), true));
        return;
      case 0x8a: // LONG1
        stack.push(this.#longInteger(this.#byte()));
        return;
      case 0x47: // BINFLOAT
        stack.push(this.#view.getFloat64(this.#take(8), false));
        return;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        stack.push(this.#text(this.#word()));
        return;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(this.#text(this.#byte()));
        return;
      case 0x63: {
        // GLOBAL
        const module = this.#line();
        this.#global(module, this.#line());
        return;
      }
      case 0x93: {
        // STACK_GLOBAL
        const [name, module] = [this.#pop(), this.#pop()];
        if (typeof name !== "string" || typeof module !== "string")
          this.#refuse("the names of a module and a part of it", "something else");
        this.#global(module, name);
        return;
      }
      case 0x71: // BINPUT
        this.#remember(this.#byte());
        return;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#word());
        return;
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size);
        return;
      case 0x68: // BINGET
        this.#recall(this.#byte());
        return;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#word());
        return;
      case 0x5d: // EMPTY_LIST
        stack.push([]);
        return;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        return;
      case 0x29: // EMPTY_TUPLE
        this.#tuple([]);
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        this.#tuple(Array.from({ length: operation - 0x84 }, () => this.#pop()).reverse());
        return;
      case 0x74: // TUPLE
        this.#tuple(this.#popToMark());
        return;
      case 0x61: // APPEND
        this.#append([this.#pop()]);
        return;
      case 0x65: // APPENDS
        this.#append(this.#popToMark());
        return;
      case 0x73: {
        // SETITEM
        const value = this.#pop();
        this.#setItems([this.#pop(), value]);
        return;
      }
      case 0x75: // SETITEMS
        this.#setItems(this.#popToMark());
        return;
      case 0x51: // BINPERSID
        stack.push({ kind: "reference", id: this.#pop() });
        return;
      case 0x52: // REDUCE
        this.#reduce();
        return;
      case 0x62: // BUILD: attributes, such as a state dict's _metadata
        this.#pop();
        this.#top();
        return;
      default:
        this.#refuse(
          "only what a state dict is made of",
          `operation 0x${operation.toString(16).padStart(2, "0")}`,
        );
    }
  }
}

/**
 * Reads the pickle that begins at `begin`.
 *
 * @param allowed names that may be called or referred to, in addition to `collections.OrderedDict`
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
    if (error instanceof Refusal) return left([error.problem]);
    throw error;
  }
}
