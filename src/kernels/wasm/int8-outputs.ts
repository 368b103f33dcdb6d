/**
 * Outputs from sums of 8-bit products: sum * scale of the weight * scale of the token + bias. Sums start at the zero
 * point times the negated sum of the weights, so that they need no later correction.
 */
import { BLOCK_OUTPUTS } from "../block-sparse.ts";
import { INT8_BIAS, INT8_FLOATS, INT8_TOKENS } from "../int8.ts";
import { joinsVectors } from "./block-rows.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  f32,
  f32x4,
  i32,
  i32x4,
  type Local,
  type ModuleBuilder,
  select,
  type V128,
  v128,
} from "./emitter.ts";
import { transpose } from "./lanes.ts";
import { upToOneVector } from "./vector-loop.ts";

/** The addresses of what belongs to the next outputs. */
export interface OutputPointers {
  /** The negated sums and the scales of the weights, padded to a multiple of four outputs. */
  readonly negatedSums: Local<"i32">;
  readonly weightScales: Local<"i32">;
  /** The biases, and the bytes to the biases of the next four outputs (see {@link startBias}). */
  readonly bias: Local<"i32">;
  readonly biasStep: Local<"i32">;
  /** The outputs of the first token. */
  readonly y: Local<"i32">;
}

/** Four outputs of all tokens: a vector for each four tokens. */
export type Sums = readonly (readonly Local<"v128">[])[];

/** The zero points, scales and offsets of outputs of the tokens in a tile, in the working space. */
export interface TileTokens {
  readonly tokens: number;
  readonly at: Local<"i32">;
}

/** Returns the part of the working space for the tokens of a tile. */
export function tileTokens(f: FunctionBuilder, tokens: number): TileTokens {
  return { tokens, at: f.let(i32.add(f.workspace, INT8_TOKENS)) };
}

const FILL_PARAMETERS = {
  scales: "i32",
  zeros: "i32",
  /** The number of tokens. The other tokens of the tile repeat the last one. */
  count: "i32",
  /** The bytes between the outputs of two tokens. */
  stride: "i32",
} as const;

/** Adds a function that writes what {@link TileTokens} points to. */
export function addFillTokens(
  module: ModuleBuilder,
  tokens: number,
): FunctionReference<typeof FILL_PARAMETERS> {
  return module.internal(FILL_PARAMETERS, (f, { scales, zeros, count, stride }) => {
    const to = f.let(i32.add(f.workspace, INT8_TOKENS));
    const last = f.let(i32.sub(count, 1));
    f.for(0, tokens, 1, (t) => {
      const token = f.let(i32.minS(t, last));
      const offset = f.let(i32.shl(token, 2));
      f.store(to, i32.load(i32.add(zeros, offset)));
      f.store(to, f32.load(i32.add(scales, offset)), 4 * tokens);
      f.store(to, i32.mul(token, stride), 8 * tokens);
      f.increment(to, 4);
    });
  });
}

/**
 * Prepares the pointer to the biases. If there are none, or fewer than four are left, it points to the working space,
 * where zeros follow the last biases.
 */
export function startBias(
  f: FunctionBuilder,
  { bias, biasStep }: Pick<OutputPointers, "bias" | "biasStep">,
  outputs: Local<"i32">,
): void {
  const rest = f.let(i32.add(f.workspace, INT8_BIAS));
  f.store(rest, v128.zero);
  f.set(biasStep, select(i32.const(4 * BLOCK_OUTPUTS), i32.const(0), bias));
  f.if(bias, () => {
    const to = f.let(rest);
    f.for(i32.and(outputs, -BLOCK_OUTPUTS), outputs, 1, (o) => {
      f.store(to, f32.load(i32.add(bias, i32.shl(o, 2))));
      f.increment(to, 4);
    });
  });
  f.if(i32.or(i32.eqz(bias), i32.ltS(outputs, BLOCK_OUTPUTS)), () => f.set(bias, rest));
}

/** Advances the pointers by four outputs; `left` is the number of outputs that are left. */
export function nextFour(f: FunctionBuilder, p: OutputPointers, left: Local<"i32">): void {
  for (const pointer of [p.negatedSums, p.weightScales, p.y])
    f.increment(pointer, 4 * BLOCK_OUTPUTS);
  f.increment(left, -BLOCK_OUTPUTS);
  f.increment(p.bias, p.biasStep);
  f.if(i32.ltS(left, BLOCK_OUTPUTS), () => f.set(p.bias, i32.add(f.workspace, INT8_BIAS)));
}

/** Sets the sums of four outputs to their start. */
export function startSums(
  f: FunctionBuilder,
  sums: Sums,
  { at }: TileTokens,
  negatedSums: Local<"i32">,
): void {
  for (const [o, ofOutput] of sums.entries()) {
    const negated = f.let(v128.load32Splat(negatedSums, 4 * o));
    for (const [v, sum] of ofOutput.entries())
      f.set(sum, i32x4.mul(v128.load(at, 16 * v), negated));
  }
}

const REST_PARAMETERS = { y: "i32", left: "i32" } as const;

/** A function that writes fewer than four outputs of all tokens. */
export type WriteRest = FunctionReference<typeof REST_PARAMETERS>;

export function addWriteRest(module: ModuleBuilder, tokens: number): WriteRest {
  return module.internal(REST_PARAMETERS, (f, { y, left }) => {
    const { at } = tileTokens(f, tokens);
    const from = f.let(i32.add(f.workspace, INT8_FLOATS));
    f.for(0, left, 1, (o) => {
      f.for(0, 4 * tokens, 4, (t) => {
        const to = i32.add(i32.add(y, i32.shl(o, 2)), i32.load(i32.add(at, t), 8 * tokens));
        f.store(to, f32.load(i32.add(from, t)));
      });
      f.increment(from, 4 * tokens);
    });
  });
}

/** Writes four outputs of all tokens, or `left` outputs if fewer are left. */
export function writeSums(
  f: FunctionBuilder,
  sums: Sums,
  { at, tokens }: TileTokens,
  { weightScales, bias, y }: OutputPointers,
  left: Local<"i32">,
  writeRest: WriteRest,
): void {
  for (const [o, ofOutput] of sums.entries()) {
    const scale = f.let(v128.load32Splat(weightScales, 4 * o));
    const added = f.let(v128.load32Splat(bias, 4 * o));
    for (const [v, sum] of ofOutput.entries()) {
      const ofToken = v128.load(at, 4 * tokens + 16 * v);
      const scaled = f32x4.mul(f32x4.mul(f32x4.convertI32x4S(sum), scale), ofToken);
      f.set(sum, f32x4.add(scaled, added));
    }
  }
  const room = f.let(i32.add(f.workspace, INT8_FLOATS));
  const storeAll = (): void => {
    for (const [i, sum] of sums.flat().entries()) f.store(room, sum, 16 * i);
  };
  // If the engine joins vectors, it does so only for those that are stored next to each other.
  if (joinsVectors(f)) storeAll();
  const writeFour = (): void => {
    for (let t = 0; t < tokens; t += 4) {
      const four = sums.map((ofOutput, o) =>
        joinsVectors(f) ? f.let(v128.load(room, 4 * (o * tokens + t))) : ofOutput[t / 4],
      );
      for (const [i, outputs] of transpose(f, four).entries())
        f.store(i32.add(y, i32.load(at, 4 * (2 * tokens + t + i))), outputs);
    }
  };
  f.if(i32.geS(left, BLOCK_OUTPUTS), writeFour, () => {
    if (!joinsVectors(f)) storeAll();
    f.run(writeRest, { y, left });
  });
}

/** Writes four outputs of one token, or `left` outputs if fewer are left. */
export function writeToken(
  f: FunctionBuilder,
  sum: V128,
  scale: V128,
  { weightScales, bias, y }: OutputPointers,
  left: Local<"i32">,
): void {
  const scaled = f32x4.mul(f32x4.mul(f32x4.convertI32x4S(sum), v128.load(weightScales)), scale);
  const value = f.let(f32x4.add(scaled, v128.load(bias)));
  upToOneVector(f, left, (place) => place.store(y, value));
}
