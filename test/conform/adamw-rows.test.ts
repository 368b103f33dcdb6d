import { expect, test } from "vitest";
import { replayAdamW } from "../../src/conform/adamw-rows.ts";
import { createBackend } from "../../src/kernels/backend.ts";

const backend = createBackend({ variant: "scalar" });
/** Two steps on one entry, with values computed by hand: each update is the learning rate, but for epsilon. */
const ROW = {
  lr: 0.5,
  lr_factor_at_step: [1, 0.5],
  betas: [0.5, 0.5],
  eps: 1e-8,
  weight_decay: 0.5,
  p0: [2, 0],
  gradients: [
    [3, 0],
    [3, 0],
  ],
  p_after_step: [
    [1, 0],
    [0.625, 0],
  ],
};

function details(row: unknown): readonly (string | undefined)[] {
  return replayAdamW("adamw.json", JSON.stringify({ adamw: [row] }), backend).map(
    ({ detail }) => detail,
  );
}

test("rows get a verdict each, by their number", () => {
  const text = JSON.stringify({ adamw: [ROW, { ...ROW, lr: 0.4 }] });
  expect(replayAdamW("adamw.json", text, backend)).toMatchObject([
    { family: "encoders", name: "adamw.json:1", status: "passed" },
    { family: "encoders", name: "adamw.json:2", status: "failed" },
  ]);
});

test("an altered row fails, and says where", () => {
  expect(details(ROW)).toEqual([undefined]);
  const [first, [p = 0, other = 0] = []] = ROW.p_after_step;
  expect(details({ ...ROW, p_after_step: [first, [p + 1e-5, other]] })[0]).toContain(
    "step 2, layer p, value[0]: expected 0.62501",
  );
  expect(details({ ...ROW, p_after_step: [first, [p, 1e-5]] })[0]).toContain("value[1]");
  expect(details({ ...ROW, p_after_step: [first] })[0]).toContain("length");
});

test("a broken file or row is a failed verdict or an error that names it", () => {
  expect(() => replayAdamW("adamw.json", "{", backend)).toThrow("adamw.json");
  expect(() => replayAdamW("adamw.json", "[]", backend)).toThrow("expected an object");
  expect(details({ ...ROW, gradients: [[1], "x"] })[0]).toContain(
    "gradients: expected a list of lists of numbers",
  );
  expect(details({ ...ROW, gradients: [[1], [1]] })[0]).toContain("gradients: expected lists of 2");
});
