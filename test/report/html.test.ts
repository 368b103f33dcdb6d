import fc from "fast-check";
import { expect, test } from "vitest";
import { htmlReport } from "../../src/report/html.ts";
import { linePlot } from "../../src/report/line-plot.ts";
import { escapeBreakable, escapeMarkup } from "../../src/report/markup.ts";
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
    "<b>4x1:</b> accuracy 97.25 (mean of 2 seeds), 0.3 points worse than dense (97.50); file 17.4 MB dense, 4.10 MB packed; 2.2 times as fast as dense",
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
  expect(page).toContain('<th scope="row">good</th><td>0</td>');
  expect(page).toContain("By label: dense, seed 1");
  expect(/class="points".*?<\/g>/.exec(page)?.[0].match(/<circle/g)).toHaveLength(2);
  expect(page).toContain(">predicted value</text>");
  expect(page).toContain("a &lt;script&gt; text");
  expect(page).toContain("label <b>&lt;b&gt;</b>, predicted <b>good</b> (93 %)");
});

test("a pruned model's metrics by label stand beside those of the dense model, in percent", () => {
  const [pattern] = SAMPLE.patterns;
  if (pattern === undefined) throw new Error("expected a pattern");
  const finalOf = (f1: number) => ({
    seed: 1,
    results: {
      names: ["bad", "good"],
      perClass: [0, 1].map((id) => ({ id, precision: 0.5, recall: 0.75, f1, support: 4 })),
      confusion: null,
    },
    errors: [
      ...["good", "bad"].map((dense) => ({
        ...{ text: "", textPair: null, label: "good", predicted: "bad", degree: "93 %", dense },
      })),
    ],
  });
  const page = htmlReport({
    ...SAMPLE,
    denseFinal: finalOf(0.61),
    patterns: [{ ...pattern, final: finalOf(0.6) }],
  });
  expect(page).toContain(
    '<td data-label="F1">60.00</td><td data-label="F1 of dense">61.00</td><td data-label="rows">4</td>',
  );
  expect(page).toContain("dense <b>good</b> (right)</p>");
  expect(page).toContain("dense <b>bad</b></p>");
  expect(page).toContain("(empty text)");
});

test("a long text shows its start, and the rest on request", () => {
  const error = { label: "a", predicted: "b", degree: "93 %", textPair: null };
  const text = `${"é".repeat(399)}😀end`;
  const denseFinal = { seed: 1, errors: [{ ...error, text }] };
  const page = htmlReport({ ...SAMPLE, denseFinal });
  expect(page).toContain(
    `<details dir="auto"><summary>${"é".repeat(399)}😀 …</summary><p>… end</p></details>`,
  );
});

test("metrics are drawn in percent, and losses that are not finite are named", () => {
  const dense = [
    {
      seed: 1,
      epochs: [
        { epoch: 1, loss: 0.5, metric: 0.82 },
        { epoch: 2, loss: Number.NaN, metric: 0.88 },
      ],
    },
  ];
  const page = htmlReport({ ...SAMPLE, patterns: [], dense });
  expect(page).toContain("cross-entropy, seed 1, not finite in epoch 2</text>");
  expect(page).toContain("<title>dense, seed 1, 2: 88</title>");
  expect(page).not.toContain("NaN");
});

test("a phase without epochs has no plots, and a run that is not complete says so first", () => {
  const dense = [{ seed: 1, epochs: [] }];
  const notices = ["Not complete: seed 1, dense: training diverged at step 2."];
  const table = { metric: "accuracy", rows: [] };
  const page = htmlReport({ ...SAMPLE, patterns: [], models: [], table, dense, notices });
  expect(page).not.toContain("<svg");
  expect(page).not.toContain("Results");
  expect(page.indexOf("training diverged at step 2.")).toBeLessThan(page.indexOf("<h2>"));
});

test("settings are divided by phase", () => {
  const settings = [
    ["sparse products", "auto"],
    ["dense: epochs", "1"],
    ["sparse: epochs", "2"],
    ["sparse 2:4: pruning: pattern", "2:4"],
  ] as const;
  const page = htmlReport({ ...SAMPLE, settings });
  const tables = page.split('<table class="settings">').slice(1);
  expect(tables.map((table) => table.match(/<th/g)?.length)).toEqual([1, 1, 2]);
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

test("long words break after separators, and numbers do not", () => {
  expect(escapeBreakable("bert.encoder.layer.0.output 1234567.123456789 a_short_name")).toBe(
    "bert.<wbr>encoder.<wbr>layer.0.<wbr>output 1234567.123456789 a_short_name",
  );
  expect(escapeBreakable(`<${"x".repeat(40)}`)).toBe(
    `&lt;${"x".repeat(19)}<wbr>${"x".repeat(20)}<wbr>x`,
  );
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      expect(escapeBreakable(text).replaceAll("<wbr>", "")).toBe(escapeMarkup(text));
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
