/** Curves over the steps of a run, which grow while it goes on. */
import "uplot/dist/uPlot.min.css";
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";

/** One curve. Null: no value at the step. */
export interface CurveSeries {
  readonly name: string;
  readonly color: "--series-1" | "--series-2";
  readonly values: readonly (number | null)[];
  /** Whether the values are few, so that points show them. */
  readonly hasPoints?: boolean;
}

interface CurveProps {
  readonly title: string;
  readonly steps: readonly number[];
  readonly series: readonly CurveSeries[];
  /** The least range of values. */
  readonly range: readonly [number, number] | null;
}

const HEIGHT = 190;

function lastOf(values: readonly (number | null)[]): string {
  const last = values.findLast((value) => value !== null);
  return last == null ? "none yet" : last.toFixed(4);
}

function plotIn(element: HTMLElement, { series, range }: CurveProps): UPlot {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color("--soft"),
    grid: { stroke: color("--rule"), width: 1 },
    ticks: { stroke: color("--rule"), width: 1 },
  };
  return new UPlot(
    {
      width: element.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false },
        ...(range === null ? {} : { y: { range: [...range] as [number, number] } }),
      },
      axes: [axis, { ...axis, size: 54 }],
      series: [
        {},
        ...series.map(({ name, color: variable, hasPoints = false }) => ({
          label: name,
          stroke: color(variable),
          width: 2,
          spanGaps: hasPoints,
          points: { show: hasPoints, size: 6, fill: color(variable) },
        })),
      ],
    },
    [[], ...series.map(() => [])],
    element,
  );
}

/** Draws the curves, and draws them again when the width or the colours change. */
function usePlot(props: CurveProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  const newest = useRef(props);
  newest.current = props;
  const setData = (): void => {
    const { steps, series } = newest.current;
    plot.current?.setData([[...steps], ...series.map(({ values }) => [...values])]);
  };
  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = plotIn(element, newest.current);
      setData();
    };
    const observer = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    draw();
    observer.observe(element);
    scheme.addEventListener("change", draw);
    return () => {
      observer.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(setData, [props.steps, props.series]);
  return frame;
}

export function Curve(props: CurveProps) {
  const frame = usePlot(props);
  const values = props.series.map(({ name, values }) => `${name} ${lastOf(values)}`).join(", ");
  return (
    <figure class="card curve">
      <figcaption>
        {props.title}{" "}
        {props.series.map(({ name, color, values }) => (
          <span key={name}>
            <span class={`swatch ${color.slice(2)}`} aria-hidden="true" />
            {`${name} ${lastOf(values)} `}
          </span>
        ))}
      </figcaption>
      <div ref={frame} class="curve-frame" role="img" aria-label={`${props.title}: ${values}`} />
    </figure>
  );
}
