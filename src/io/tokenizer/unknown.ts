/** Refuses text for which a model has no token. `tokenizers` raises an error, too. */
import { refuseInput } from "../../core/either.ts";

/** Throws for a part of a text without a token. `unknownToken` is the unknown token, which the vocabulary lacks. */
export function characterUnknown(part: string, unknownToken: string | null): never {
  const missing =
    unknownToken === null
      ? "there is no unknown token"
      : `${unknownToken} is not in the vocabulary`;
  return refuseInput(
    "text",
    "text that the vocabulary has tokens for",
    `${JSON.stringify(part)}; ${missing}`,
  );
}
