/** Reads a layer's weight as a matrix, and summarises it: counts of values, and pictures of its mask. */
import {
  type CheckpointLayer,
  layersOfTensor,
  layerValues,
} from "../../../../src/checkpoint/layers.ts";
import { matrixShape } from "../../../../src/checkpoint/packed-manifest.ts";
import type { SurveyedTensor } from "../../../../src/checkpoint/survey.ts";
import { weightValues } from "../../../../src/checkpoint/tensor-values.ts";
import type { WeightValues } from "../../../../src/checkpoint/verify.ts";
import { refuseInput } from "../../../../src/core/either.ts";
import { hasCountableZeros } from "../../../../src/io/dtypes.ts";
import type { GivenCheckpoint } from "./given-checkpoint.ts";
import type { Distribution, PictureRequest } from "./protocol.ts";

/** The values of a layer, or of a tensor without layers, with the outputs as rows. */
export interface LayerMatrix {
  readonly tensor: string;
  readonly layer: string;
  readonly rows: number;
  readonly columns: number;
  readonly values: WeightValues;
}

/** The number of bars in a histogram. Odd, so that values around zero share a bar. */
const BINS = 61;

/** The names of a tensor's layers, or its own name if it has none. */
export function layerNames(tensor: SurveyedTensor): readonly string[] {
  const layers = layersOfTensor(tensor);
  return layers.length === 0 ? [tensor.name] : layers.map(({ name }) => name);
}

/** Reads the matrix of a layer. @throws InputError if the tensor has no numbers to show */
export function readMatrix(
  { checkpoint, survey }: GivenCheckpoint,
  name: string,
  layer: string,
): LayerMatrix {
  const tensor = survey.find((one) => one.name === name);
  if (tensor === undefined) return refuseInput(name, "a tensor of the checkpoint", "none");
  const { dtype } = tensor.entry;
  if (!hasCountableZeros(dtype)) refuseInput(name, "a type whose zeros can be counted", dtype);
  const own: CheckpointLayer | undefined = layersOfTensor(tensor).find((one) => one.name === layer);
  const values = weightValues(checkpoint, tensor);
  const [rows, columns] = matrixShape(
    own?.shape ?? (tensor.shape.length > 1 ? tensor.shape : [1, ...tensor.shape]),
  );
  return {
    tensor: name,
    layer: own?.name ?? name,
    rows,
    columns,
    values: own === undefined ? values : layerValues(own, values),
  };
}

/** Counts the values of a matrix in bins of equal width. */
export function distributionOf({ layer, rows, columns, values }: LayerMatrix): Distribution {
  let [least, greatest, zeros, nonFinite] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === 0) zeros++;
    else if (!Number.isFinite(value)) nonFinite++;
    else {
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
  }
  const bins = Array.from({ length: BINS }, () => 0);
  if (least > greatest) [least, greatest] = [0, 0];
  const scale = greatest > least ? BINS / (greatest - least) : 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === 0 || !Number.isFinite(value)) continue;
    bins[Math.min(BINS - 1, Math.floor((value - least) * scale))]++;
  }
  return { layer, rows, columns, least, greatest, zeros, nonFinite, bins };
}

/** Draws a part of a mask: for each pixel the share of values that are not zero, from 0 to 255. */
export function pictureOf(
  { columns: stride, values }: LayerMatrix,
  { row, column, rows, columns, width, height }: PictureRequest,
): Uint8Array {
  const picture = new Uint8Array(width * height);
  const edge = (begin: number, count: number, i: number, of: number): number =>
    begin + Math.floor((count * i) / of);
  for (let y = 0; y < height; y++) {
    const top = edge(row, rows, y, height);
    const bottom = Math.max(top + 1, edge(row, rows, y + 1, height));
    for (let x = 0; x < width; x++) {
      const left = edge(column, columns, x, width);
      const right = Math.max(left + 1, edge(column, columns, x + 1, width));
      let kept = 0;
      for (let r = top; r < bottom; r++)
        for (let c = left; c < right; c++) if (values[r * stride + c] !== 0) kept++;
      const share = kept / ((bottom - top) * (right - left));
      // A single kept value stays visible.
      picture[y * width + x] = kept === 0 ? 0 : Math.max(40, Math.round(255 * share));
    }
  }
  return picture;
}
