/**
 * Calls of a module's functions that several threads share: the caller writes a batch of them into shared memory, and
 * every thread takes the next one until none is left. It is all integers that are changed atomically, so that a
 * thread may be late to a batch, or miss it.
 */

/** Runs the call at an address: the module's `runCall`. */
export type RunCall = (address: number) => void;

/** Batches of more calls than this are run in several. */
const MOST_CALLS = 1024;
/** Values that a call takes at most. */
const MOST_VALUES = 15;
/** The function's number among those that the module exports, then its values. */
const CALL_LENGTH = 1 + MOST_VALUES;

/** Indices of the control words, each on a cache line of its own. */
const WORDS = {
  /** Calls that nobody has taken; below that, threads that came too late. */
  untaken: 0,
  /** Calls that have not ended. */
  unended: 16,
  /** Number of the batch; its change wakes who sleeps. */
  batch: 32,
  sleepers: 48,
  stopped: 64,
  failures: 80,
} as const;
const CONTROL_WORDS = 96;
const CONTROL_BYTES = CONTROL_WORDS * 4;

/** Elements of 4 bytes that a queue needs. */
export const QUEUE_LENGTH: number = CONTROL_WORDS + MOST_CALLS * CALL_LENGTH * 2;

/** How often a thread looks for work, or for the end of others', before it goes to sleep. */
const LOOKS = 20_000;
/** Milliseconds after which a sleeper looks by itself. */
const LONGEST_SLEEP = 1000;
/** Milliseconds without the end of any call after which a thread must have died: the longest calls take some. */
const LONGEST_CALL = 60_000;

/** One thread's view of a queue. */
export class CallQueue {
  readonly #words: Int32Array;
  readonly #calls: Float64Array;
  readonly #runCall: RunCall;
  /** Address of the calls. */
  readonly #start: number;
  #length = 0;

  /** A queue at `byteOffset` (a multiple of 8) of a shared buffer, zeros at first. */
  constructor(buffer: ArrayBufferLike, byteOffset: number, runCall: RunCall) {
    this.#words = new Int32Array(buffer, byteOffset, CONTROL_WORDS);
    this.#start = byteOffset + CONTROL_BYTES;
    this.#calls = new Float64Array(buffer, this.#start, MOST_CALLS * CALL_LENGTH);
    this.#runCall = runCall;
  }

  /** Adds a call to the batch being written; values that a function does not take may be left out. */
  push(
    index: number,
    a: number,
    b?: number,
    c?: number,
    d?: number,
    e?: number,
    f?: number,
    g?: number,
    h?: number,
    i?: number,
    j?: number,
    k?: number,
    l?: number,
    m?: number,
    n?: number,
    o?: number,
  ): void {
    if (this.#length === MOST_CALLS) this.run();
    const calls = this.#calls;
    const at = this.#length * CALL_LENGTH;
    calls[at] = index;
    calls[at + 1] = a;
    calls[at + 2] = b ?? 0;
    calls[at + 3] = c ?? 0;
    calls[at + 4] = d ?? 0;
    calls[at + 5] = e ?? 0;
    calls[at + 6] = f ?? 0;
    calls[at + 7] = g ?? 0;
    calls[at + 8] = h ?? 0;
    calls[at + 9] = i ?? 0;
    calls[at + 10] = j ?? 0;
    calls[at + 11] = k ?? 0;
    calls[at + 12] = l ?? 0;
    calls[at + 13] = m ?? 0;
    calls[at + 14] = n ?? 0;
    calls[at + 15] = o ?? 0;
    this.#length++;
  }

  /** Forgets the batch being written. */
  clear(): void {
    this.#length = 0;
  }

  /** Runs the batch, with whoever joins in, and returns when all of it has ended. */
  run(): void {
    const count = this.#length;
    if (count === 0) return;
    this.#length = 0;
    const words = this.#words;
    Atomics.store(words, WORDS.unended, count);
    Atomics.store(words, WORDS.untaken, count);
    Atomics.add(words, WORDS.batch, 1);
    if (Atomics.load(words, WORDS.sleepers) > 0) Atomics.notify(words, WORDS.batch);
    this.#takeCalls();
    this.#awaitEnd();
    if (Atomics.exchange(words, WORDS.failures, 0) > 0)
      throw new Error("kernels: a call failed; its results are not complete");
  }

  /** A worker's life: runs calls until the queue is stopped. */
  serve(): void {
    const words = this.#words;
    while (Atomics.load(words, WORDS.stopped) === 0) {
      const batch = Atomics.load(words, WORDS.batch);
      if (this.#awaitCalls()) this.#takeCalls();
      else this.#sleep(batch);
    }
  }

  /** Lets every worker return from `serve`. */
  stop(): void {
    Atomics.store(this.#words, WORDS.stopped, 1);
    Atomics.add(this.#words, WORDS.batch, 1);
    Atomics.notify(this.#words, WORDS.batch);
  }

  /** Takes calls and runs them as long as there are any. */
  #takeCalls(): void {
    const words = this.#words;
    while (Atomics.load(words, WORDS.untaken) > 0) {
      // Whoever counts down to `left` owns that call, whichever batch it belongs to by now.
      const left = Atomics.sub(words, WORDS.untaken, 1);
      if (left <= 0) return;
      try {
        this.#runCall(this.#start + (left - 1) * CALL_LENGTH * 8);
      } catch {
        Atomics.add(words, WORDS.failures, 1);
      }
      if (Atomics.sub(words, WORDS.unended, 1) === 1) Atomics.notify(words, WORDS.unended);
    }
  }

  #awaitCalls(): boolean {
    for (let look = 0; look < LOOKS; look++)
      if (Atomics.load(this.#words, WORDS.untaken) > 0) return true;
    return false;
  }

  #sleep(batch: number): void {
    const words = this.#words;
    Atomics.add(words, WORDS.sleepers, 1);
    Atomics.wait(words, WORDS.batch, batch, LONGEST_SLEEP);
    Atomics.sub(words, WORDS.sleepers, 1);
  }

  #awaitEnd(): void {
    const words = this.#words;
    let last = -1;
    let since = 0;
    for (;;) {
      for (let look = 0; look < LOOKS; look++) if (Atomics.load(words, WORDS.unended) === 0) return;
      const left = Atomics.load(words, WORDS.unended);
      // The last call may have ended since the last look: no time is known to have passed without one.
      if (left === 0) return;
      if (left !== last) {
        last = left;
        since = performance.now();
      } else if (performance.now() - since > LONGEST_CALL)
        throw new Error("kernels: a thread has stopped in the middle of a call");
      // A page's main thread may not sleep; it goes on looking.
      if (MAY_SLEEP) Atomics.wait(words, WORDS.unended, left, 1);
    }
  }
}

/** Whether this thread may block. */
const MAY_SLEEP: boolean = /* @__PURE__ */ mayBlock();

function mayBlock(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}
