/** Reads the manifest of a directory of golden vectors, which states the format's version and lists the vectors. */
import { getOrThrow, refuseInput } from "../core/either.ts";
import { isJsonObject, parseJson } from "../io/json.ts";
import { differenceAt } from "./difference.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

const FORMAT = "espalier-conformance";
const MAJOR = "1";

export interface ListedVector {
  readonly family: string;
  readonly slug: string;
}

/**
 * Returns the vectors that a manifest lists, or undefined for a manifest of a different format.
 *
 * @throws InputError if the manifest is invalid
 */
export function readManifest(path: string, text: string): readonly ListedVector[] | undefined {
  const manifest = getOrThrow(parseJson(path, text));
  if (!isJsonObject(manifest) || manifest.format !== FORMAT) return undefined;
  const { version, vectors } = manifest;
  if (typeof version !== "string" || version.split(".")[0] !== MAJOR)
    refuseInput(path, `${FORMAT} ${MAJOR}`, `${FORMAT} ${version ?? "of no version"}`);
  if (!Array.isArray(vectors)) return refuseInput(`${path} vectors`, "a list", "none");
  return vectors.map((entry, i) => {
    const { family, slug } = isJsonObject(entry) ? entry : {};
    if (typeof family === "string" && typeof slug === "string") return { family, slug };
    return refuseInput(`${path} vectors[${i}]`, "a family and a slug", JSON.stringify(entry));
  });
}

/** Returns a failed verdict for each vector that the manifest lists but that has not been replayed. */
export function missingVectors(
  listed: readonly ListedVector[],
  verdicts: readonly Verdict[],
): readonly Verdict[] {
  const judged = new Set(verdicts.map(({ family, name }) => `${family}/${name}`));
  return listed
    .filter(({ family, slug }) => !judged.has(`${family}/${slug}`))
    .map(({ family, slug }) =>
      verdictOf(family, slug, differenceAt("manifest.json", "the vector to be there", "none")),
    );
}
