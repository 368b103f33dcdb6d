import {
  BLOCK_OUTPUTS,
  type BlockSparseKernels,
  type BlockSparseMatrix,
  SHARD_TOKENS,
  shardsOf,
} from "../block-sparse.ts";

/** Calls `visit` for every block, with the block's first output, its input, and the index of its first value. */
function forEachBlock(
  { outputs, starts, columns, height }: BlockSparseMatrix,
  visit: (output: number, input: number, values: number) => void,
): void {
  for (let row = 0; row * height < outputs; row++) {
    for (let block = starts[row]; block < starts[row + 1]; block++)
      visit(row * height, columns[block], block * height);
  }
}

const rowsOf = ({ outputs, height }: BlockSparseMatrix): number => outputs / height;

export const blockSparseGather: BlockSparseKernels["blockSparseGather"] = (
  weight,
  matrix,
): void => {
  const { inputs, values } = matrix;
  forEachBlock(matrix, (output, input, at) => {
    for (let r = 0; r < BLOCK_OUTPUTS; r++) values[at + r] = weight[(output + r) * inputs + input];
  });
};

export const blockSparseForward: BlockSparseKernels["blockSparseForward"] = (
  x,
  matrix,
  bias,
  y,
  first,
  end,
): void => {
  const { outputs, inputs, height, values } = matrix;
  const sums = new Float64Array(outputs);
  for (let t = first; t < end; t++) {
    sums.fill(0);
    forEachBlock(matrix, (output, input, at) => {
      for (let r = 0; r < height; r++) sums[output + r] += values[at + r] * x[t * inputs + input];
    });
    for (let o = 0; o < outputs; o++) y[t * outputs + o] = sums[o] + (bias === null ? 0 : bias[o]);
  }
};

export const blockSparseInputGradient: BlockSparseKernels["blockSparseInputGradient"] = (
  dy,
  matrix,
  dx,
  accumulate,
  first,
  end,
): void => {
  const { outputs, inputs, values } = matrix;
  const sums = new Float64Array(inputs);
  for (let t = first; t < end; t++) {
    sums.fill(0);
    forEachBlock(matrix, (output, input, at) => {
      for (let r = 0; r < BLOCK_OUTPUTS; r++)
        sums[input] += values[at + r] * dy[t * outputs + output + r];
    });
    for (let i = 0; i < inputs; i++)
      dx[t * inputs + i] = accumulate ? dx[t * inputs + i] + sums[i] : sums[i];
  }
};

export const blockSparseWeightSums: BlockSparseKernels["blockSparseWeightSums"] = (
  dy,
  x,
  matrix,
  tokens,
  sums,
): void => {
  const { outputs, inputs, starts } = matrix;
  const rows = rowsOf(matrix);
  const shardLength = BLOCK_OUTPUTS * starts[rows];
  for (let shard = 0; shard < shardsOf(tokens); shard++) {
    const first = shard * SHARD_TOKENS;
    const end = Math.min(tokens, first + SHARD_TOKENS);
    forEachBlock(matrix, (output, input, at) => {
      for (let r = 0; r < BLOCK_OUTPUTS; r++) {
        let sum = 0;
        for (let t = first; t < end; t++)
          sum += dy[t * outputs + output + r] * x[t * inputs + input];
        sums[shard * shardLength + at + r] = sum;
      }
    });
  }
};

export const blockSparseAddSums: BlockSparseKernels["blockSparseAddSums"] = (
  sums,
  shards,
  matrix,
  dWeight,
): void => {
  const { inputs, starts } = matrix;
  const rows = rowsOf(matrix);
  const shardLength = BLOCK_OUTPUTS * starts[rows];
  for (let shard = 0; shard < shards; shard++)
    forEachBlock(matrix, (output, input, at) => {
      for (let r = 0; r < BLOCK_OUTPUTS; r++)
        dWeight[(output + r) * inputs + input] += sums[shard * shardLength + at + r];
    });
};
