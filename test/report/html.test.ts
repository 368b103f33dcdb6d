import fc from "fast-check";
import { expect, test } from "vitest";
import { htmlReport } from "../../src/report/html.ts";
import { linePlot } from "../../src/report/line-plot.ts";
import { escapeMarkup } from "../../src/report/markup.ts";
import { SAMPLE } from "./sample.ts";

test("the report is self-contained: no script, nothing loaded from elsewhere", () => {
  const page = htmlReport(SAMPLE);
  expect(page).not.toMatch(/<script|<link|<iframe|@import|url\(/);
  const sources = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map((match) => match[1] ?? "");
  expect(sources.length).toBe(SAMPLE.patterns.length);
  for (const source of sources) expect(source).toMatch(/^data:image\/png;base64,/);
});

test("the report holds every part", () => {
  const page = htmlReport(SAMPLE);
  expect(page).toContain("97.50/98.00");
  for (const part of ["Results", "Dense", "Settings", "Zeros per linear layer", "Mask of"])
    expect(page).toContain(part);
  for (const [name, value] of SAMPLE.settings) {
    expect(page).toContain(escapeMarkup(name));
    expect(page).toContain(escapeMarkup(value));
  }
  // Per pattern: loss, metric, schedule; and two plots of the dense training. A bar for each layer.
  expect(page.match(/class="plot"/g)).toHaveLength(2 + 3 * SAMPLE.patterns.length);
  const layers = SAMPLE.patterns.flatMap((pattern) => pattern.layers);
  expect(page.match(/class="bar"/g)).toHaveLength(layers.length);
  expect(htmlReport(SAMPLE)).toBe(page);
});

test("results come first, in words, in one table, and as Markdown", () => {
  const page = htmlReport(SAMPLE);
  expect(page).toContain(
    "4x1: accuracy 97.25 (mean of 2 seeds), 0.3 points worse than dense (97.50); file 17.4 MB dense, 4.10 MB packed; 2.2 times as fast as dense",
  );
  expect(page.indexOf("Results")).toBeLessThan(page.indexOf("Dense</h2>"));
  expect(page).toContain('<td data-label="packed file">4.10 MB</td>');
  expect(page).toContain("| 4x1     |");
  expect(page).not.toContain("undefined");
});

test("plots of patterns have equal axes, and curves name their losses", () => {
  const [first] = SAMPLE.patterns;
  if (first === undefined) throw new Error("expected a pattern");
  const higher = first.curves.map((curve) => ({
    ...curve,
    epochs: curve.epochs.map((point) => ({ ...point, loss: 3 * point.loss })),
  }));
  const patterns = [first, { ...first, label: "8x1", curves: higher }];
  const page = htmlReport({ ...SAMPLE, patterns });
  const axes = [...page.matchAll(/<svg [^>]*><title>Training loss.*?<\/svg>/g)].map(([plot]) =>
    [...plot.matchAll(/class="tick">([^<]*)</g)].map(([, tick]) => tick).join(),
  );
  expect(axes).toHaveLength(3);
  expect(axes[2]).toBe(axes[1]);
  expect(axes[1]).not.toBe(axes[0]);
  for (const name of ["cross-entropy, seed 1", "distillation, seed 2"])
    expect(page).toContain(`>${name}</text>`);
});

test("final models have confusions, metrics by label, values and errors", () => {
  const error = { label: "<b>", predicted: "good", degree: "93 %", textPair: null };
  const denseFinal = {
    seed: 1,
    results: {
      names: ["bad", "good"],
      perClass: [0, 1].map((id) => ({ id, precision: 0.5, recall: 0.75, f1: 0.6, support: 4 })),
      confusion: [
        [3, 1],
        [0, 4],
      ],
    },
    values: [[1, 2] as const, [3, 3] as const],
    errors: [{ ...error, text: "a <script> text" }],
  };
  const page = htmlReport({ ...SAMPLE, patterns: [], denseFinal });
  expect(page).toContain("Confusions: dense, seed 1");
  expect(page).toContain('<th scope="row">2 good</th><td>0</td>');
  expect(page).toContain("By label: dense, seed 1");
  expect(page.match(/class="point"/g)).toHaveLength(2);
  expect(page).toContain("a &lt;script&gt; text");
  expect(page).toContain("label <b>&lt;b&gt;</b>, predicted <b>good</b> (93 %)");
});

test("text from outside stays text", () => {
  const page = htmlReport({ ...SAMPLE, title: "<img src=x onerror=alert(1)>", patterns: [] });
  expect(page).not.toContain("<img src=x");
  expect(page).toContain("&lt;img src=x onerror=alert(1)&gt;");
});

test("escaping leaves nothing that ends an attribute or opens an element", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const escaped = escapeMarkup(text);
      expect(escaped).not.toMatch(/[<>"']/);
      const back = escaped
        .replaceAll("&lt;", "<")
        .replaceAll("&gt;", ">")
        .replaceAll("&quot;", '"')
        .replaceAll("&#39;", "'")
        .replaceAll("&amp;", "&");
      expect(back).toBe(text);
    }),
  );
});

test("a plot draws every point inside its frame and leaves out what is not finite", () => {
  const points = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 500 }), fc.oneof(fc.float(), fc.constant(Number.NaN))),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(points, (values) => {
      const picture = linePlot({
        title: "t",
        xLabel: "x",
        series: [{ name: "s", color: 0, points: values }],
      });
      expect(picture).not.toContain("NaN");
      expect(picture).not.toContain("Infinity");
      const circles = [...picture.matchAll(/<circle cx="([-\d.]+)" cy="([-\d.]+)"/g)];
      expect(circles).toHaveLength(values.filter(([, y]) => Number.isFinite(y)).length);
      for (const [, x, y] of circles) {
        expect(Number(x)).toBeGreaterThanOrEqual(0);
        expect(Number(x)).toBeLessThanOrEqual(560);
        expect(Number(y)).toBeGreaterThanOrEqual(0);
        expect(Number(y)).toBeLessThanOrEqual(300);
      }
    }),
  );
});

test("a run without pruning has no sparse part", () => {
  const page = htmlReport({ ...SAMPLE, patterns: [], table: { metric: "accuracy", rows: [] } });
  expect(page).not.toContain("Pruned to");
  expect(page).toContain("Training loss");
});
