import { expect, test } from "vitest";
import { filesOf } from "../../src/run/given-files.ts";

test("files of a directory are copies, also of Buffers", () => {
  const given = [Uint8Array.of(1, 2), Buffer.from([1, 2])];
  const files = new Map(given.map((bytes, i) => [`run/${i}`, bytes]));
  const copies = filesOf(files, "run");
  expect(copies.map(({ name }) => name)).toEqual(["0", "1"]);
  for (const { bytes } of copies) bytes.fill(0);
  for (const bytes of given) expect([...bytes]).toEqual([1, 2]);
});
