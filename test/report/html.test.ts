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
  // Per pattern: loss, metric, schedule, layers; and two plots of the dense training.
  expect(page.match(/<svg /g)).toHaveLength(2 + 4 * SAMPLE.patterns.length);
  expect(htmlReport(SAMPLE)).toBe(page);
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
