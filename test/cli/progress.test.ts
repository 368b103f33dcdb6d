import fc from "fast-check";
import { expect, test } from "vitest";
import { createProgress, formatDuration, progressBar } from "../../src/cli/progress.ts";

function recorder(isTerminal: boolean, columns: number = 80) {
  const writes: string[] = [];
  return {
    writes,
    output: { isTerminal, columns, write: (text: string) => void writes.push(text) },
  };
}

test("durations", () => {
  expect(formatDuration(0)).toBe("0:00");
  expect(formatDuration(61.4)).toBe("1:01");
  expect(formatDuration(3725)).toBe("1:02:05");
  expect(formatDuration(Number.NaN)).toBe("--:--");
});

test("a bar never leaves its line", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.nat(1000),
      fc.nat(1000),
      fc.integer({ min: 2, max: 200 }),
      (label, done, total, columns) => {
        const state = { label, done, total, loss: 0.5, rate: 3, unit: "steps" };
        expect(progressBar(state, columns).length).toBeLessThan(columns);
      },
    ),
  );
});

test("a terminal sees a bar redrawn in place with rate, time left and loss", () => {
  let time = 0;
  const { writes, output } = recorder(true, 120);
  const progress = createProgress(output, () => time);
  for (let step = 0; step <= 100; step++) {
    time = step * 50;
    progress.update("sparse 4x1", step, 1000, 0.25);
  }
  expect(writes.length).toBe(51);
  expect(writes.every((text) => text.startsWith("\r\u001b[2K") && !text.includes("\n"))).toBe(true);
  expect(writes.at(-1)).toContain("100/1000  20 steps/s  ETA 0:45  loss 0.2500");
  progress.note("epoch 1");
  expect(writes.slice(-2)).toEqual(["\r\u001b[2K", "epoch 1\n"]);
  progress.finish();
  expect(writes.at(-1)).toBe("epoch 1\n");
});

test("elsewhere plain lines come now and then", () => {
  let time = 0;
  const { writes, output } = recorder(false);
  const progress = createProgress(output, () => time);
  for (let step = 0; step <= 100; step++) {
    time = step * 1000;
    progress.update("dense", step, 100, null);
  }
  progress.finish();
  expect(writes.length).toBe(11);
  expect(writes.at(-1)).toBe("dense  100/100  1.00 steps/s  ETA 0:00\n");
  expect(writes.join("")).not.toContain("\r");
});

test("short work shows nothing, and the first figures of longer work have a rate", () => {
  let time = 0;
  const { writes, output } = recorder(true, 120);
  const run = (rows: number): void => {
    time = 0;
    const progress = createProgress(output, () => time, "rows", 500);
    for (let row = 0; row <= rows; row++) {
      time = row * 10;
      progress.update("predict", row, rows, null);
    }
    progress.finish();
  };
  run(40);
  expect(writes).toEqual([]);
  run(100);
  expect(writes[0]).toContain("50/100  100 rows/s  ETA 0:01");
});
