/** A layer's mask as a picture of one pixel a weight. */
import { element } from "./markup.ts";
import { type Color, writePng } from "./png.ts";
import type { MaskMatrix } from "./run-report.ts";

const PRUNED: Color = [0, 0, 0, 0];
const KEPT: Color = [47, 123, 214, 255];
/** Small layers are magnified by an integer up to about this width in pixels. */
const COMFORTABLE_WIDTH = 512;
/** Bytes converted to text at once: a call takes a limited number of arguments. */
const SLICE = 0x8000;

/** Bytes as base64. */
export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let offset = 0; offset < bytes.length; offset += SLICE)
    text += String.fromCharCode(...bytes.subarray(offset, offset + SLICE));
  return btoa(text);
}

/**
 * An `img` element with the mask as an embedded PNG. Pruned weights are transparent, for light and dark pages.
 *
 * @throws RangeError if the mask does not have rows x columns entries.
 */
export function maskPicture(matrix: MaskMatrix): string {
  const { layer, rows, columns, mask } = matrix;
  if (mask.length !== rows * columns)
    throw new RangeError(
      `mask of ${layer}: expected ${rows} x ${columns} entries, got ${mask.length}`,
    );
  const magnification = Math.max(1, Math.floor(COMFORTABLE_WIDTH / columns));
  const png = writePng({ width: columns, height: rows, pixels: mask, colors: [PRUNED, KEPT] });
  return element("img", {
    class: "mask",
    width: columns * magnification,
    height: rows * magnification,
    alt: `Mask of ${layer}: ${rows} rows of ${columns} weights; coloured weights are kept`,
    src: `data:image/png;base64,${toBase64(png)}`,
  });
}
