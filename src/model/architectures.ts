import type { EncoderType } from "../core/encoder-types.ts";
import type { Architecture } from "./architecture.ts";
import { bert } from "./bert.ts";
import { distilBert } from "./distilbert.ts";
import { electra } from "./electra.ts";
import { camemBert, roberta, xlmRoberta } from "./roberta.ts";

/** The architectures by `model_type` in config.json. */
export const ARCHITECTURES: Readonly<Record<EncoderType, Architecture>> = {
  bert,
  distilbert: distilBert,
  roberta,
  "xlm-roberta": xlmRoberta,
  camembert: camemBert,
  electra,
};
