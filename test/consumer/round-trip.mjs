// Writes tensors in the safetensors format, reads them back and has a damaged file refused.
import { digest } from "./digest.mjs";

export function roundTrip(io) {
  const { readSafetensors, readSafetensorsOrThrow, tensorFromFloat32, toFloat32 } = io;
  const values = Float32Array.from({ length: 24 }, (_, index) => Math.fround(index / 7 - 1));
  const bytes = io.writeSafetensors(
    new Map([
      ["encoder.weight", tensorFromFloat32("F32", [4, 6], values)],
      ["encoder.half", tensorFromFloat32("F16", [24], values)],
    ]),
    { format: "pt" },
  );
  const { tensors, metadata } = readSafetensorsOrThrow(bytes);
  const read = toFloat32(tensors.get("encoder.weight"));
  if (read.some((value, index) => value !== values[index])) {
    throw new Error("a tensor came back with other values");
  }
  const truncated = readSafetensors(bytes.subarray(0, bytes.length - 1));
  if (truncated._tag !== "Left") throw new Error("a truncated file was accepted");
  return { digest: digest(bytes), metadata, names: [...tensors.keys()] };
}
