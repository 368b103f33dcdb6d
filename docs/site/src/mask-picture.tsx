/** A picture of a mask, which can be zoomed and moved with buttons, keys, the wheel and a pointer. */
import { useEffect, useRef, useState } from "preact/hooks";
import { canZoomIn, type MaskView, pixelsOf, type Region, regionOf, scaleOf } from "./mask-view.ts";
import type { Distribution, Picture, Source, Violation } from "./worker/protocol.ts";
import type { WorkerClient } from "./worker-client.ts";

interface MaskPictureProps {
  readonly client: WorkerClient;
  readonly source: Source;
  readonly tensor: string;
  readonly distribution: Distribution;
  /** The block to outline, if it is in this layer. */
  readonly violation: Violation | null;
}

interface Drawn {
  readonly picture: Picture;
  readonly region: Region;
  readonly width: number;
  readonly height: number;
}

/** Reads a colour of the style sheet as red, green and blue. */
function colorOf(name: "--right" | "--wrong"): readonly number[] {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name);
  return text.trim().split(/\s+/).map(Number);
}

function draw(
  canvas: HTMLCanvasElement,
  { picture, region, width, height }: Drawn,
  violation: Violation | null,
): void {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (context === null) return;
  const image = context.createImageData(width, height);
  const [red = 0, green = 0, blue = 0] = colorOf("--right");
  picture.forEach((share, i) => {
    image.data.set([red, green, blue, share], 4 * i);
  });
  context.putImageData(image, 0, 0);
  if (violation === null) return;
  const [x, y] = [width / region.columns, height / region.rows];
  context.strokeStyle = `rgb(${colorOf("--wrong").join(" ")})`;
  context.lineWidth = 3;
  context.strokeRect(
    (violation.column - region.column) * x - 2,
    (violation.row - region.row) * y - 2,
    Math.max(2, violation.width * x) + 4,
    Math.max(2, violation.height * y) + 4,
  );
}

/** Fetches the picture of a view, and draws it again when the colours change. */
function useDrawing(
  { client, source, tensor, distribution, violation }: MaskPictureProps,
  view: MaskView,
) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  useEffect(() => {
    let isCurrent = true;
    const region = regionOf(distribution, view);
    const [width, height] = pixelsOf(distribution, view);
    const { layer } = distribution;
    client.run("picture", { source, tensor, layer, ...region, width, height }).then(
      (picture) => isCurrent && setDrawn({ picture, region, width, height }),
      // The files were replaced; the page shows the new ones.
      () => {},
    );
    return () => {
      isCurrent = false;
    };
  }, [client, source, tensor, distribution, view]);
  useEffect(() => {
    const paint = (): void => {
      if (canvas.current !== null && drawn !== null) draw(canvas.current, drawn, violation);
    };
    paint();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", paint);
    return () => scheme.removeEventListener("change", paint);
  }, [drawn, violation]);
  return canvas;
}

const MOVES: readonly (readonly [label: string, sign: string, rows: number, columns: number])[] = [
  ["Move left", "\u2190", 0, -1],
  ["Move up", "\u2191", -1, 0],
  ["Move down", "\u2193", 1, 0],
  ["Move right", "\u2192", 0, 1],
];

/** The first view of a mask: all of it, or close to the violation. */
function firstView({ rows, columns }: Distribution, violation: Violation | null): MaskView {
  if (violation === null) return { zoom: 0, row: rows / 2, column: columns / 2 };
  const matrix = { rows, columns };
  let view: MaskView = { zoom: 0, row: violation.row, column: violation.column };
  while (scaleOf(matrix, view) < 8 && canZoomIn(matrix, view))
    view = { ...view, zoom: view.zoom + 1 };
  return view;
}

export function MaskPicture(props: MaskPictureProps) {
  const { distribution, violation } = props;
  const { layer, rows, columns } = distribution;
  const [view, setView] = useState(() => firstView(distribution, violation));
  useEffect(() => setView(firstView(distribution, violation)), [distribution, violation]);
  const canvas = useDrawing(props, view);
  const region = regionOf(distribution, view);
  const zoomBy = (step: number): void =>
    setView((old) => {
      const isPossible = step > 0 ? canZoomIn(distribution, old) : old.zoom > 0;
      return isPossible ? { ...old, zoom: old.zoom + step } : old;
    });
  const moveBy = (down: number, right: number): void =>
    setView((old) => {
      const shown = regionOf(distribution, old);
      const row = shown.row + shown.rows / 2 + down * shown.rows;
      const column = shown.column + shown.columns / 2 + right * shown.columns;
      return { ...old, row: clamp(row, rows), column: clamp(column, columns) };
    });
  const shown = `rows ${region.row} to ${region.row + region.rows - 1}, columns ${region.column} to ${region.column + region.columns - 1}`;
  return (
    <figure class="card">
      <figcaption>
        Mask of <code>{layer}</code>{" "}
        <span>coloured = kept{violation !== null && "; outlined = first violation"}</span>
      </figcaption>
      <div class="buttons">
        <button type="button" disabled={!canZoomIn(distribution, view)} onClick={() => zoomBy(1)}>
          Zoom in
        </button>
        <button type="button" disabled={view.zoom === 0} onClick={() => zoomBy(-1)}>
          Zoom out
        </button>
        {MOVES.map(([label, sign, down, right]) => (
          <button
            key={label}
            type="button"
            aria-label={label}
            disabled={view.zoom === 0}
            onClick={() => moveBy(down / 4, right / 4)}
          >
            {sign}
          </button>
        ))}
      </div>
      <div class="frame">
        <canvas
          ref={canvas}
          class="mask"
          role="img"
          aria-label={`Mask of ${layer}, ${shown}`}
          onDblClick={() => zoomBy(1)}
          onPointerMove={(event) => {
            if (event.buttons !== 1) return;
            const { width, height } = event.currentTarget;
            moveBy(-event.movementY / height, -event.movementX / width);
          }}
        />
      </div>
      <p class="note" aria-live="polite">
        {shown} of {rows} x {columns}
      </p>
    </figure>
  );
}

function clamp(middle: number, extent: number): number {
  return Math.max(0, Math.min(extent, middle));
}
