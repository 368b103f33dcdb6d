/** The rules of pruning heads in which the profiles differ. */
import type { Profile } from "../prune/config.ts";
import { exactTargetRatio, targetRatio } from "../prune/schedule.ts";
import { compileNamePattern } from "../prune/select.ts";
import { type ChooseHeads, chooseHeadsInto, incChooseHeadsInto } from "./choose.ts";
import { checkExactSettings, checkHeadRoom, checkIncSettings } from "./refusals.ts";
import type { AttentionLayer, HeadPrunerConfig } from "./state.ts";

interface HeadRules {
  /** Refuses settings that cannot be carried out, regardless of the layers. */
  readonly checkSettings: (config: HeadPrunerConfig) => void;
  /** Whether the pruner owns an attention layer. */
  readonly selects: (config: HeadPrunerConfig, attention: AttentionLayer) => boolean;
  /** The number of heads that each layer keeps at least, unless a number is given. */
  readonly minHeads: number;
  readonly checkRoom: typeof checkHeadRoom;
  readonly targetRatio: typeof exactTargetRatio;
  readonly chooseInto: ChooseHeads;
}

/** Whether a name matches an expression in `opNames` and no excluded one. */
function isNamed(
  { opNames, excludedOpNames }: HeadPrunerConfig,
  { name }: AttentionLayer,
): boolean {
  const matches = (source: string): boolean => compileNamePattern(source).test(name);
  return (opNames.length === 0 || opNames.some(matches)) && !excludedOpNames.some(matches);
}

/** The rules of all profiles, by name. */
export const HEAD_PROFILES: Readonly<Record<Profile, HeadRules>> = {
  inc: {
    checkSettings: checkIncSettings,
    // INC prunes the heads of the whole model, whatever names are given.
    selects: () => true,
    minHeads: 0,
    checkRoom: () => {},
    targetRatio,
    chooseInto: incChooseHeadsInto,
  },
  strict: {
    checkSettings: checkExactSettings,
    selects: isNamed,
    minHeads: 1,
    checkRoom: checkHeadRoom,
    targetRatio: exactTargetRatio,
    chooseInto: chooseHeadsInto,
  },
};
