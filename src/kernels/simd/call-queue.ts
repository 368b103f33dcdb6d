/**
 * A queue of kernel calls in shared memory. The calling thread writes a batch of calls, and all threads take calls from
 * it until the queue is empty. All state changes are atomic, so a thread may join a batch late or miss it.
 */

/** A module's exported function `runCall`, which runs the call that is stored at an address. */
export type RunCall = (address: number) => void;

/** The maximum number of calls in a batch. A full batch runs before the next call is added. */
const MOST_CALLS = 1024;
const MOST_VALUES = 15;
/** The number of values in a call: the index of an exported function, then its arguments. */
const CALL_LENGTH = 1 + MOST_VALUES;

/** Indices of the control words, which are 32-bit integers. Each control word has its own cache line. */
const WORDS = {
  /** The number of calls that no thread has taken. A thread that joins late may make it negative. */
  untaken: 0,
  /** The number of calls that have not finished. */
  unended: 16,
  /** The number of the current batch. Sleeping threads wait until it changes. */
  batch: 32,
  sleepers: 48,
  stopped: 64,
  failures: 80,
} as const;
const CONTROL_WORDS = 96;
const CONTROL_BYTES = CONTROL_WORDS * 4;

/** The size of a queue, in elements of 4 bytes. */
export const QUEUE_LENGTH: number = CONTROL_WORDS + MOST_CALLS * CALL_LENGTH * 2;

/** The number of times that a thread polls before it sleeps. */
const LOOKS = 20_000;
/** Milliseconds after which a sleeping thread polls again. */
const LONGEST_SLEEP = 1000;
/** Milliseconds of waiting without a finished call after which a thread is assumed dead. */
const LONGEST_CALL = 60_000;
/**
 * The maximum waiting time that is counted between two polls, in milliseconds. A longer gap means that the process was
 * suspended, so that no thread could run.
 */
const LONGEST_PAUSE = 1000;

/** One thread's handle to a queue. */
export class CallQueue {
  readonly #words: Int32Array;
  readonly #calls: Float64Array;
  readonly #runCall: RunCall;
  readonly #start: number;
  #length = 0;
  #failed = false;

  /** Opens the queue at `byteOffset`, a multiple of 8, in a shared buffer. The bytes of a new queue must be zero. */
  constructor(buffer: ArrayBufferLike, byteOffset: number, runCall: RunCall) {
    this.#words = new Int32Array(buffer, byteOffset, CONTROL_WORDS);
    this.#start = byteOffset + CONTROL_BYTES;
    this.#calls = new Float64Array(buffer, this.#start, MOST_CALLS * CALL_LENGTH);
    this.#runCall = runCall;
  }

  /**
   * Throws if a thread has stopped in the middle of a call. That thread may still write to memory, and later end a call
   * of another batch, so no more calls may run.
   */
  checkUsable(): void {
    if (this.#failed)
      throw new Error("kernels: a thread has stopped in the middle of a call; use a new backend");
  }

  /** Adds a call of the exported function number `index` to the current batch. Omitted arguments are 0. */
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

  clear(): void {
    this.#length = 0;
  }

  /** Runs the batch together with the other threads. Returns when all calls have finished. */
  run(): void {
    const count = this.#length;
    if (count === 0) return;
    this.#length = 0;
    this.checkUsable();
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

  /** In a worker: runs calls until the queue is stopped. */
  serve(): void {
    const words = this.#words;
    while (Atomics.load(words, WORDS.stopped) === 0) {
      const batch = Atomics.load(words, WORDS.batch);
      if (this.#awaitCalls()) this.#takeCalls();
      else this.#sleep(batch);
    }
  }

  /** Makes `serve` return in every worker. */
  stop(): void {
    Atomics.store(this.#words, WORDS.stopped, 1);
    Atomics.add(this.#words, WORDS.batch, 1);
    Atomics.notify(this.#words, WORDS.batch);
  }

  /** Runs calls until the queue is empty. */
  #takeCalls(): void {
    const words = this.#words;
    while (Atomics.load(words, WORDS.untaken) > 0) {
      // The thread that decrements the counter from `left` owns that call, even if a new batch has started.
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
    let waited = 0;
    let polled = performance.now();
    for (;;) {
      for (let look = 0; look < LOOKS; look++) if (Atomics.load(words, WORDS.unended) === 0) return;
      const left = Atomics.load(words, WORDS.unended);
      if (left === 0) return;
      const now = performance.now();
      waited = left === last ? waited + Math.min(now - polled, LONGEST_PAUSE) : 0;
      last = left;
      polled = now;
      this.#failed = waited > LONGEST_CALL;
      this.checkUsable();
      // The main thread of a page must not sleep, so it continues to poll.
      if (MAY_SLEEP) Atomics.wait(words, WORDS.unended, left, 1);
    }
  }
}

const MAY_SLEEP: boolean = /* @__PURE__ */ mayBlock();

function mayBlock(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}
