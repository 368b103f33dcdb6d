/** The manifest of a directory of vectors: the version of their format, and the list of vectors. */
import { InputError, isLeft } from "../core/either.ts";
import { isJsonObject, type JsonValue, parseJson } from "../io/json.ts";
import { differenceAt } from "./difference.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

const FORMAT = "espalier-conformance";
/** A manifest of another major version would be misread. */
const MAJOR = "1";

/** A vector as the manifest lists it. */
export interface ListedVector {
  readonly family: string;
  readonly slug: string;
}

/**
 * The vectors that a manifest lists; undefined for a manifest of something else. `path` names the file in refusals.
 *
 * @throws InputError for a file that is not JSON, of an unknown major version, or without a list of vectors
 */
export function readManifest(path: string, text: string): readonly ListedVector[] | undefined {
  const parsed = parseJson(path, text);
  if (isLeft(parsed)) throw new InputError(parsed.left);
  const manifest = parsed.right;
  if (!isJsonObject(manifest) || manifest.format !== FORMAT) return undefined;
  const { version, vectors } = manifest;
  if (typeof version !== "string" || version.split(".")[0] !== MAJOR)
    throw new InputError([
      { path, expected: `${FORMAT} ${MAJOR}`, got: `${FORMAT} ${version ?? "of no version"}` },
    ]);
  if (!Array.isArray(vectors))
    throw new InputError([{ path: `${path} vectors`, expected: "a list", got: "none" }]);
  return vectors.map((entry: JsonValue, i) => {
    const { family, slug } = isJsonObject(entry) ? entry : {};
    if (typeof family === "string" && typeof slug === "string") return { family, slug };
    const got = JSON.stringify(entry);
    throw new InputError([{ path: `${path} vectors[${i}]`, expected: "a family and a slug", got }]);
  });
}

/** A failed verdict for every listed vector without a verdict. */
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
