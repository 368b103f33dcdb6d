/** The mask that a saved model shows. */

import { join } from "node:path";
import { HUGGING_FACE_FILES } from "../io/hugging-face.ts";
import { readSafetensorsOrThrow, toFloat32 } from "../io/safetensors.ts";
import type { MaskMatrix } from "../report/run-report.ts";
import { readBytes } from "./files.ts";

/**
 * The mask of a layer of the model in `directory`: 1 where its weight is not zero. Undefined where the model has
 * no such matrix.
 */
export async function readSavedMask(
  directory: string,
  layer: string,
): Promise<MaskMatrix | undefined> {
  const path = join(directory, HUGGING_FACE_FILES.weights);
  const { tensors } = readSafetensorsOrThrow(await readBytes(path), { source: path });
  const weight = tensors.get(`${layer}.weight`);
  const [rows, columns] = weight?.shape ?? [];
  if (weight === undefined || rows === undefined || columns === undefined) return undefined;
  const mask = Uint8Array.from(toFloat32(weight), (value) => Number(value !== 0));
  return { layer, rows, columns, mask };
}
