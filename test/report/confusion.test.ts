import { expect, test } from "vitest";
import { confusions } from "../../src/report/confusion.ts";

/** A matrix in which every label is predicted once as the next one. */
function countsOf(classes: number, right: number): readonly (readonly number[])[] {
  const ids = Array.from({ length: classes }, (_, id) => id);
  return ids.map((row) =>
    ids.map((column) => (row === column ? right : Number(column === (row + 1) % classes))),
  );
}

function namesOf(classes: number): readonly string[] {
  return Array.from({ length: classes }, (_, id) => `label_${id}`);
}

test("a small matrix has the names of short labels, and is not replaced on a phone", () => {
  const html = confusions("dense", ["no", "yes"], countsOf(2, 12_345));
  expect(html).toContain('<th scope="col" title="yes">yes</th>');
  expect(html).toContain('<th scope="row">yes</th>');
  expect(html).not.toContain('class="phone"');
});

test("labels that are too long are numbered", () => {
  const html = confusions("dense", namesOf(8), countsOf(8, 9));
  expect(html).toContain('<th scope="col" title="label_7">8</th>');
  expect(html).toContain('<th scope="row">8 label_7</th>');
});

test("a matrix that is too wide for a phone is a list of confusions there", () => {
  for (const [classes, right] of [
    [9, 99],
    [5, 1_000_000],
    [20, 1],
  ] as const) {
    const html = confusions("dense", namesOf(classes), countsOf(classes, right));
    expect(html).toContain('class="not-phone"');
    const [, list = ""] = html.split('class="phone"');
    expect(list.match(/<tr>/g)).toHaveLength(1 + classes);
  }
  expect(confusions("dense", namesOf(8), countsOf(8, 99))).not.toContain('class="phone"');
});

test("more than 20 classes have a list only", () => {
  const html = confusions("dense", namesOf(21), countsOf(21, 1));
  expect(html).not.toContain("matrix");
  expect(html.match(/<tr>/g)).toHaveLength(1 + 20);
});

test("a model without confusions says so", () => {
  const right = Array.from({ length: 21 }, (_, row) =>
    Array.from({ length: 21 }, (_, column) => Number(row === column)),
  );
  expect(confusions("dense", namesOf(21), right)).toContain("Every row has its label predicted.");
});
