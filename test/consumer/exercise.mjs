// Prunes, trains and saves; the results are compared between module systems and engines.
import { prune } from "./prune.mjs";
import { roundTrip } from "./round-trip.mjs";
import { train } from "./train.mjs";

export async function exercise({ espalier, io, nn }) {
  return {
    pruning: prune(espalier),
    training: await train(nn, "auto"),
    roundTrip: roundTrip(io),
  };
}
