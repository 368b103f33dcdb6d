/** Turns sums of 8-bit products into outputs: (sum - zero point * sum of weights) * both scales + bias. */
import { BLOCK_OUTPUTS } from "../block-sparse.ts";
import {
  type FunctionBuilder,
  type FunctionReference,
  f32x4,
  type I32,
  i32,
  i32x4,
  integers,
  type Local,
  type ModuleBuilder,
  type V128,
  v128,
} from "./emitter.ts";
import { setRepeated } from "./int8-tile.ts";
import { transpose } from "./lanes.ts";
import { upToOneVector, type VectorPlace } from "./vector-loop.ts";

type Parameters<Names extends string> = Readonly<Record<Names, "i32">>;

/** The addresses of what belongs to outputs; `bias` is 0 without a bias. */
export const OUTPUT_ARRAYS: Parameters<"weightSums" | "weightScales" | "bias"> = integers(
  "weightSums",
  "weightScales",
  "bias",
);
/** The addresses of what belongs to tokens. */
export const TOKEN_ARRAYS: Parameters<"scales" | "zeros"> = integers("scales", "zeros");

type Locals<Names extends string> = Readonly<Record<Names, Local<"i32">>>;

/** Four outputs: their sums of weights, scales and biases. */
interface FourOutputs {
  readonly sums: Local<"v128">;
  readonly scales: Local<"v128">;
  readonly bias: Local<"v128">;
}

/** Loads what belongs to four outputs. Without a bias, the vector of biases stays zero. */
function loadOutputs(
  f: FunctionBuilder,
  { weightSums, weightScales, bias }: Locals<"weightSums" | "weightScales" | "bias">,
  place: VectorPlace,
): FourOutputs {
  const biases = f.local("v128");
  f.if(bias, () => f.set(biases, place.load(bias)));
  return {
    sums: f.let(v128.load(weightSums)),
    scales: f.let(v128.load(weightScales)),
    bias: biases,
  };
}

/** Stores four outputs of a token. */
function writeFour(
  f: FunctionBuilder,
  sum: V128,
  { sums, scales, bias }: FourOutputs,
  token: Locals<"scales" | "zeros">,
  hasBias: I32,
  store: (value: V128) => void,
): void {
  const exact = i32x4.sub(sum, i32x4.mul(v128.load32Splat(token.zeros), sums));
  const scaled = f32x4.mul(f32x4.convertI32x4S(exact), scales);
  const value = f.let(f32x4.mul(scaled, v128.load32Splat(token.scales)));
  f.if(hasBias, () => f.set(value, f32x4.add(value, bias)));
  store(value);
}

/** Advances the pointers by four outputs. */
function advanceOutputs(
  f: FunctionBuilder,
  { weightSums, weightScales, bias }: Locals<"weightSums" | "weightScales" | "bias">,
): void {
  for (const pointer of [weightSums, weightScales]) f.increment(pointer, 4 * BLOCK_OUTPUTS);
  f.if(bias, () => f.increment(bias, 4 * BLOCK_OUTPUTS));
}

/** Writes four outputs of one token, or `left` outputs if fewer are left, and advances all pointers to outputs. */
export function writeToken(
  f: FunctionBuilder,
  sum: Local<"v128">,
  p: Locals<"weightSums" | "weightScales" | "bias" | "scales" | "zeros" | "y" | "left">,
): void {
  upToOneVector(f, p.left, (place) => {
    const four = loadOutputs(f, p, place);
    writeFour(f, sum, four, p, p.bias, (value) => place.store(p.y, value));
  });
  advanceOutputs(f, p);
  f.increment(p.y, 4 * BLOCK_OUTPUTS);
  f.increment(p.left, -BLOCK_OUTPUTS);
}

const PARAMETERS = {
  weightSums: "i32",
  weightScales: "i32",
  bias: "i32",
  scales: "i32",
  zeros: "i32",
  /** The sums [outputs][tokens of a tile], and the number of outputs. */
  sums: "i32",
  outputs: "i32",
  /** The number of tokens in the tile. The other tokens repeat the last one. */
  tokens: "i32",
  y: "i32",
  stride: "i32",
} as const;

/** Adds a function that writes the outputs of a tile. */
export function addWriteTile(
  module: ModuleBuilder,
  together: number,
): FunctionReference<typeof PARAMETERS> {
  return module.internal(PARAMETERS, (f, p) => {
    const left = f.let(p.outputs);
    const word = f.let(i32.const(4));
    const at = f.locals("i32", together);
    const offsets = f.locals("i32", together);
    setRepeated(f, at, p.y, p.stride, p.tokens);
    setRepeated(f, offsets, i32.const(0), word, p.tokens);
    f.while(i32.gtS(left, 0), () => {
      upToOneVector(f, left, (place) => {
        const four = loadOutputs(f, p, place);
        for (let t = 0; t < together; t += 4) {
          const rows = [0, 1, 2, 3].map((o) => f.let(v128.load(p.sums, 4 * (o * together + t))));
          for (const [i, sum] of transpose(f, rows).entries()) {
            const offset = offsets[t + i];
            const token = {
              scales: f.let(i32.add(p.scales, offset)),
              zeros: f.let(i32.add(p.zeros, offset)),
            };
            writeFour(f, sum, four, token, p.bias, (value) => place.store(at[t + i], value));
          }
        }
      });
      advanceOutputs(f, p);
      for (const token of at) f.increment(token, 4 * BLOCK_OUTPUTS);
      f.increment(p.sums, 4 * BLOCK_OUTPUTS * together);
      f.increment(left, -BLOCK_OUTPUTS);
    });
  });
}
