import { expect, test } from "vitest";
import { type Float8, widenFloat8 } from "../../src/io/float8.ts";
import { readSafetensorsOrThrow, toFloat32 } from "../../src/io/safetensors.ts";
import { readTorchFixture } from "./torch-fixtures.ts";

/** The values that PyTorch gives to all bytes. Made by scripts/build-torch-files.py. */
const values = readSafetensorsOrThrow(readTorchFixture("float8.safetensors")).tensors;

const DTYPES: readonly Float8[] = ["F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"];
const everyByte = Uint8Array.from({ length: 256 }, (_, code) => code);

test.each(DTYPES)("every byte of %s has PyTorch's value", (dtype) => {
  const stored = values.get(dtype);
  if (stored === undefined) throw new Error(`expected values of ${dtype}`);
  expect([...widenFloat8(dtype, everyByte)]).toEqual([...toFloat32(stored)]);
});

test.each<[Float8, readonly number[]]>([
  ["F8_E5M2", [0, 0x80]],
  ["F8_E4M3", [0, 0x80]],
  ["F8_E8M0", []],
  ["F8_E4M3FNUZ", [0]],
  ["F8_E5M2FNUZ", [0]],
])("%s has the zeros %j", (dtype, zeros) => {
  const widened = widenFloat8(dtype, everyByte);
  expect([...everyByte].filter((code) => widened[code] === 0)).toEqual(zeros);
});
