// Prunes, trains and saves; the results are compared between module systems and engines.
import { classify } from "./classify.mjs";
import { prune } from "./prune.mjs";
import { roundTrip } from "./round-trip.mjs";
import { train } from "./train.mjs";

export async function exercise({ espalier, classifier, io, nn }) {
  return {
    pruning: prune(espalier),
    training: await train(nn, "auto"),
    classifier: await classify({ classifier, io, nn }, "simd"),
    roundTrip: roundTrip(io),
  };
}
