import { afterEach, describe, expect, it, vi } from "vitest";
import { CallQueue, QUEUE_LENGTH } from "../../../src/kernels/simd/call-queue.ts";

/** The index of the control word that counts calls which have not ended. */
const UNENDED = 16;
const LATE = 1_000_000;

afterEach(() => {
  vi.restoreAllMocks();
});

/** A queue whose calls are counted and do nothing. */
function makeQueue() {
  const runCall = vi.fn();
  const queue = new CallQueue(new SharedArrayBuffer(QUEUE_LENGTH * 4), 0, runCall);
  return { queue, runCall };
}

/** Lets the number of unended calls be read as `valueAt` says of each read, in a process that has long run. */
function pretendUnended(valueAt: (read: number) => number): void {
  const load = Atomics.load.bind(Atomics) as (array: Int32Array, index: number) => number;
  let reads = 0;
  vi.spyOn(Atomics, "load").mockImplementation(((array: Int32Array, index: number) =>
    index === UNENDED ? valueAt(reads++) : load(array, index)) as typeof Atomics.load);
  let now = LATE;
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 20_000;
    return now;
  });
}

describe("a queue of calls", () => {
  it("runs each call of a batch once, the last one first", () => {
    const { queue, runCall } = makeQueue();
    queue.push(7, 1, 2, 3);
    queue.push(8, 4);
    queue.run();
    const addresses = runCall.mock.calls.map(([address]) => address as number);
    expect(addresses).toHaveLength(2);
    expect(addresses[0] - addresses[1]).toBe(16 * 8);
    queue.run();
    expect(runCall).toHaveBeenCalledTimes(2);
  });

  // A process older than a minute took an end between two reads for a call that does not end.
  it("takes the end of the last call for that, whenever it looks", () => {
    for (const last of [1, 19_999, 20_000, 20_001]) {
      const { queue } = makeQueue();
      queue.push(0, 0);
      pretendUnended((read) => (read < last ? 1 : 0));
      expect(() => queue.run()).not.toThrow();
      vi.restoreAllMocks();
    }
  });

  it("gives a call up that does not end, and refuses further work", () => {
    const { queue, runCall } = makeQueue();
    queue.push(0, 0);
    pretendUnended(() => 1);
    expect(() => queue.run()).toThrow("kernels: a thread has stopped in the middle of a call");
    vi.restoreAllMocks();
    runCall.mockClear();
    queue.push(0, 0);
    expect(() => queue.run()).toThrow("kernels: a thread has stopped in the middle of a call");
    expect(() => queue.checkUsable()).toThrow("use a new backend");
    expect(runCall).not.toHaveBeenCalled();
  });

  it("waits for a call in a process that is stopped for a minute", () => {
    const { queue } = makeQueue();
    queue.push(0, 0);
    // The count is read 20,001 times between two looks at the clock, which stands still but for one jump.
    pretendUnended((read) => (read < 20 * 20_001 ? 1 : 0));
    let looks = 0;
    vi.spyOn(performance, "now").mockImplementation(() => LATE + (++looks > 5 ? 63_000 : 0));
    expect(() => queue.run()).not.toThrow();
    expect(looks).toBeGreaterThan(10);
  });

  it("says that a call failed, and works on", () => {
    const { queue, runCall } = makeQueue();
    runCall.mockImplementationOnce(() => {
      throw new Error("a trap");
    });
    queue.push(0, 0);
    expect(() => queue.run()).toThrow("kernels: a call failed; its results are not complete");
    queue.push(0, 0);
    queue.run();
    expect(runCall).toHaveBeenCalledTimes(2);
  });
});
