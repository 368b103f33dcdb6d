import { expect, test } from "vitest";
import { byteSource } from "../../src/checkpoint/byte-source.ts";
import {
  channelCuts,
  chooseChannels,
  type FeedForward,
} from "../../src/checkpoint/feed-forward-channels.ts";
import { openCheckpointFile } from "../../src/checkpoint/open.ts";
import { getOrThrow } from "../../src/core/either.ts";
import {
  type StoredTensor,
  tensorFromFloat32,
  writeSafetensors,
} from "../../src/io/safetensors.ts";

interface Layer {
  readonly rows: readonly (readonly number[])[];
  readonly bias: readonly number[];
  readonly columns: readonly (readonly number[])[];
}

function tensor(rows: readonly (readonly number[])[]): StoredTensor {
  const shape = [rows.length, rows[0]?.length ?? 0];
  return tensorFromFloat32("F16", shape, Float32Array.from(rows.flat()));
}

function opened(layers: readonly Layer[]) {
  const tensors = layers.flatMap(({ rows, bias, columns }, i) => [
    [`${i}.intermediate`, tensor(rows)] as const,
    [`${i}.bias`, tensorFromFloat32("F32", [bias.length], Float32Array.from(bias))] as const,
    [`${i}.output`, tensor(columns)] as const,
  ]);
  const bytes = writeSafetensors(new Map(tensors));
  const checkpoint = getOrThrow(openCheckpointFile(byteSource("m", bytes)));
  const found = new Map(checkpoint.entries.map((entry) => [entry.name, entry]));
  const entry = (name: string) => found.get(name) ?? expect.fail(name);
  const all = layers.map((_, i): FeedForward => {
    return {
      intermediate: entry(`${i}.intermediate`),
      bias: entry(`${i}.bias`),
      output: entry(`${i}.output`),
    };
  });
  return { checkpoint, layers: all };
}

/** Four channels: the first has a zero column, the second a zero row and bias, the third a zero row with a bias. */
const SPARSE: Layer = {
  rows: [
    [1, 2],
    [-0, 0],
    [0, 0],
    [0, 3],
  ],
  bias: [1, -0, 5, 0],
  columns: [
    [0, 7, 1, 0],
    [-0, 7, 0, 4],
  ],
};
const EMPTY: Layer = {
  ...SPARSE,
  columns: [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ],
};

const UNIFORM = { isUniform: true, align: 1 };

test("chooseChannels keeps those that contribute, and zero ones up to the widest layer", () => {
  const { checkpoint, layers } = opened([SPARSE, EMPTY]);
  expect(chooseChannels(checkpoint, layers, UNIFORM).map((one) => [...one])).toEqual([
    [2, 3],
    [0, 1],
  ]);
});

test("chooseChannels keeps one channel of layers that contribute nothing", () => {
  const { checkpoint, layers } = opened([EMPTY, EMPTY]);
  expect(chooseChannels(checkpoint, layers, UNIFORM).map((one) => [...one])).toEqual([[0], [0]]);
});

test("chooseChannels keeps as many as each layer needs", () => {
  const { checkpoint, layers } = opened([SPARSE, EMPTY]);
  const chosen = chooseChannels(checkpoint, layers, { isUniform: false, align: 1 });
  expect(chosen.map((one) => [...one])).toEqual([[2, 3], [0]]);
});

test("chooseChannels rounds numbers up to a multiple, at most to all channels", () => {
  const { checkpoint, layers } = opened([SPARSE, EMPTY]);
  const chosen = (isUniform: boolean, multiple: number) =>
    chooseChannels(checkpoint, layers, { isUniform, align: 1, multiple }).map((one) => [...one]);
  expect(chosen(false, 2)).toEqual([
    [2, 3],
    [0, 1],
  ]);
  for (const isUniform of [true, false]) {
    expect(chosen(isUniform, 3)).toEqual([
      [0, 2, 3],
      [0, 1, 2],
    ]);
    expect(chosen(isUniform, 5)).toEqual([
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ]);
  }
});

test.each([
  [
    2,
    true,
    [
      [2, 3],
      [0, 1],
    ],
  ],
  [
    2,
    false,
    [
      [2, 3],
      [0, 1],
    ],
  ],
  [
    3,
    true,
    [
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ],
  ],
  [3, false, [[0, 1, 2, 3], [3]]],
  [
    4,
    false,
    [
      [0, 1, 2, 3],
      [0, 1, 2, 3],
    ],
  ],
])("chooseChannels keeps whole groups of %s, and an incomplete one", (align, isUniform, kept) => {
  const { checkpoint, layers } = opened([SPARSE, EMPTY]);
  const chosen = chooseChannels(checkpoint, layers, { isUniform, align });
  expect(chosen.map((one) => [...one])).toEqual(kept);
});

test("chooseChannels counts NaN as a contribution", () => {
  const { checkpoint, layers } = opened([
    {
      ...SPARSE,
      columns: [
        [Number.NaN, 7, 1, 0],
        [0, 7, 0, 4],
      ],
    },
  ]);
  expect(chooseChannels(checkpoint, layers, UNIFORM).map((one) => [...one])).toEqual([[0, 2, 3]]);
});

test("channelCuts cuts rows before the activation, and columns after it", () => {
  const { layers } = opened([SPARSE]);
  const kept = Int32Array.of(2, 3);
  expect([...channelCuts(layers, [kept])]).toEqual([
    ["0.intermediate", { axis: 0, kept }],
    ["0.bias", { axis: 0, kept }],
    ["0.output", { axis: 1, kept }],
  ]);
});
