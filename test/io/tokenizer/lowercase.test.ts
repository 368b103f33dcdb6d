import { expect, it } from "vitest";
import { lowercase } from "../../../src/io/tokenizer/lowercase.ts";

it("agrees with the engine on characters that both know", () => {
  let changed = 0;
  for (let c = 0x80; c <= 0x10ffff; c++) {
    if (c >= 0xd800 && c < 0xe000) continue;
    const character = String.fromCodePoint(c);
    const lower = lowercase(character);
    if (lower !== character) changed++;
    // An engine may be of an older or a newer version of Unicode.
    const byEngine = character.toLowerCase();
    if (lower !== character && byEngine !== character) expect(lower).toBe(byEngine);
  }
  expect(changed).toBe(1488 - 26);
  expect(lowercase("\u0130I\u00c9")).toBe("i\u0307i\u00e9");
});
