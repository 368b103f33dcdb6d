/** Which part of a mask is shown: its place, and how many pixels a value takes. */

/** The most pixels of a picture in each direction. */
export const MOST_PIXELS = 512;

/** A part of a matrix. */
export interface Region {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
}

/** A mask as it is shown. Zoom 0 shows all of it, and each step doubles the pixels of a value. */
export interface MaskView {
  readonly zoom: number;
  /** The value in the middle. */
  readonly row: number;
  readonly column: number;
}

interface Matrix {
  readonly rows: number;
  readonly columns: number;
}

/** The most pixels that a value takes. */
const CLOSEST = 32;

/** Pixels of a value when all of a mask is shown: less than one for large masks. */
function scaleOfWhole({ rows, columns }: Matrix): number {
  const scale = MOST_PIXELS / Math.max(rows, columns, 1);
  return scale >= 1 ? Math.min(CLOSEST, Math.floor(scale)) : scale;
}

export function scaleOf(matrix: Matrix, { zoom }: MaskView): number {
  const scale = scaleOfWhole(matrix) * 2 ** zoom;
  return scale > 1 ? Math.max(1, Math.floor(scale)) : scale;
}

export function canZoomIn(matrix: Matrix, view: MaskView): boolean {
  return scaleOf(matrix, view) < CLOSEST;
}

/** The part of the matrix that a view shows, inside the matrix. */
export function regionOf(matrix: Matrix, view: MaskView): Region {
  const scale = scaleOf(matrix, view);
  const [rows, columns] = [matrix.rows, matrix.columns].map((extent) =>
    Math.max(1, Math.min(extent, Math.floor(MOST_PIXELS / scale))),
  ) as [number, number];
  const begin = (middle: number, shown: number, extent: number): number =>
    Math.round(Math.max(0, Math.min(extent - shown, middle - shown / 2)));
  return {
    row: begin(view.row, rows, matrix.rows),
    column: begin(view.column, columns, matrix.columns),
    rows,
    columns,
  };
}

/** The pixels of a region. */
export function pixelsOf(matrix: Matrix, view: MaskView): readonly [width: number, height: number] {
  const scale = scaleOf(matrix, view);
  const { rows, columns } = regionOf(matrix, view);
  return [Math.max(1, Math.round(columns * scale)), Math.max(1, Math.round(rows * scale))];
}
