/** Checks the name of a profile without the table of all its rules, which calibrated pruning does not use. */
import { checkOneOf } from "../core/checks.ts";
import type { Profile } from "../prune/config.ts";

const NAMES: Readonly<Record<Profile, true>> = { inc: true, strict: true };

export function checkProfile(name: string, profile: Profile): void {
  checkOneOf(name, profile, Object.keys(NAMES));
}
