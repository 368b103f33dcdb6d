/**
 * Prunes layers from calibration data: statistics of a layer's inputs, and SparseGPT, Wanda and DSnoT, which use them.
 * All functions work on one layer as typed arrays, and do not run a model.
 *
 * @module espalier/calibrate
 */

export { pruneCalibrated } from "./calibrate/prune.ts";
export {
  addBatch,
  createStatistics,
  type LayerStatistics,
  mergeStatistics,
} from "./calibrate/statistics.ts";
