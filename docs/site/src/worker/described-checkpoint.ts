/** Lists the tensors of an open checkpoint, as plain data. */
import { sumOf } from "../../../../src/core/sum.ts";
import type { GivenCheckpoint } from "./given-checkpoint.ts";
import { layerNames } from "./layer-matrix.ts";
import type { OpenedCheckpoint } from "./protocol.ts";

export function describe({ checkpoint, survey, config }: GivenCheckpoint): OpenedCheckpoint {
  const { path, layout, files } = checkpoint;
  return {
    path,
    layout,
    files: files.length,
    bytes: sumOf(files, ({ bytes }) => bytes),
    hasConfig: config !== null,
    tensors: survey.map((tensor) => ({
      name: tensor.name,
      role: tensor.role,
      axes: tensor.axes ?? "",
      dtype: tensor.entry.dtype,
      shape: tensor.shape,
      bytes: tensor.entry.end - tensor.entry.begin,
      layers: layerNames(tensor),
    })),
  };
}
