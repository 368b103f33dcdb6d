/** Opens reports in Chromium at the widths of a phone, a tablet and a desktop, in light and dark. */
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkpointReport } from "../../src/report/checkpoint-report.ts";
import { htmlReport } from "../../src/report/html.ts";
import { needing } from "../needs.ts";
import { SAMPLE } from "../report/sample.ts";
import { findChromium, launchChromium } from "./chromium.ts";

const executable = findChromium();
const isSkipped = executable === undefined && process.env.ESPALIER_REQUIRE_BROWSER !== "1";

const CLASSES = Array.from({ length: 20 }, (_, id) => id);

const RUN = htmlReport({
  ...SAMPLE,
  evaluations: {
    header: ["seed", "model", "rows", "loss", "accuracy", "macro F1"],
    rows: [["1", "sparse 1xchannel", "validation_mismatched (9832)", "0.1234", "0.9", "0.9"]],
  },
  denseFinal: {
    seed: 1,
    values: Array.from({ length: 50 }, (_, i) => [i / 10, (i + (i % 7)) / 10] as const),
    results: {
      names: CLASSES.map((id) => `a_label_without_spaces_${id}`),
      perClass: CLASSES.map((id) => ({ id, precision: 0.5, recall: 0.5, f1: 0.5, support: 12 })),
      confusion: CLASSES.map((row) => CLASSES.map((column) => (row === column ? 111 : row % 2))),
    },
    errors: [
      {
        text: `https://example.org/${"long".repeat(40)}`,
        textPair: "another text",
        label: "a",
        predicted: "b",
        degree: "93 %",
      },
    ],
  },
});

const NAMES = Array.from({ length: 80 }, (_, i) => {
  return `bert.encoder.layer.${i}.attention.output.dense.weight`;
});
const CHECKPOINT = checkpointReport({
  title: "Checkpoint runs/a/sparse",
  summary: "Tensors as they are.",
  facts: [["tensors", "80 of 1 bytes"]],
  roles: {
    header: ["role", "tensors", "bytes", "share", "packed"],
    rows: [["linear", "80", "1 MB", "1.0000", "1 MB"]],
  },
  account: ["layers: 80 tensors"],
  tensors: {
    header: [
      ...["tensor", "role", "axes", "dtype", "shape"],
      ...["bytes", "packed", "layout", "gzip", "zeros", "patterns"],
    ],
    rows: NAMES.map((name) => [
      ...[name, "transposed-convolution", "out,in", "F32", "1536x384"],
      ...["2359296", "1179648", "4x1 F16", "1234567", "0.9000"],
      "4x1 0.9000, 8x1 0.8000, 16x1 0.4000, 1xchannel 0.1000",
    ]),
  },
  zeros: NAMES.map((name) => ({ name, ratio: 0.9, accented: true })),
  packed: [],
});

/** What a page shows that no reader should meet. */
interface Layout {
  readonly overflow: number;
  /** Texts that are smaller than 12 px. */
  readonly small: readonly string[];
  /** Matrices that scroll sideways. */
  readonly scrolling: number;
  /** Parts of tensors' names that are on two lines. */
  readonly broken: readonly string[];
  /** The right edge of the last column of the last table with a sticky header. */
  readonly lastColumn: number;
}

function layoutOf(page: Page): Promise<Layout> {
  return page.evaluate(() => {
    const small = new Set<string>();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const parent = texts.currentNode.parentElement;
      if (parent === null || parent.getBoundingClientRect().width === 0) continue;
      const svg = parent.closest("svg");
      const scale =
        svg === null ? 1 : svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const size = scale * Number.parseFloat(getComputedStyle(parent).fontSize);
      if (parent.tagName !== "title" && size < 11.99) small.add(`${parent.tagName} ${size}`);
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    const scrolling = Array.from(document.querySelectorAll(".scroll:has(.matrix)")).filter(
      (region) => region.scrollWidth > region.clientWidth,
    ).length;
    const broken: string[] = [];
    const names = document.querySelectorAll(".sticky tbody th");
    for (const part of Array.from(names).flatMap((name) => Array.from(name.childNodes))) {
      const range = document.createRange();
      range.selectNodeContents(part);
      if (range.getClientRects().length > 1) broken.push(part.textContent ?? "");
    }
    const last = document.querySelector(".sticky tbody tr:last-child td:last-child");
    return {
      overflow: scrollWidth - clientWidth,
      small: [...small],
      scrolling,
      broken,
      lastColumn: last?.getBoundingClientRect().right ?? 0,
    };
  });
}

/** The source of axe-core, if it is installed. */
function axeSource(): string | undefined {
  const named = process.env.AXE_PATH;
  if (named !== undefined && existsSync(named)) return readFileSync(named, "utf8");
  try {
    return readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  } catch {
    return undefined;
  }
}

describe.skipIf(isSkipped)(needing("a Chromium", "reports in Chromium"), () => {
  let browser: Browser;

  beforeAll(async () => {
    if (executable === undefined) throw new Error("no Chromium was found");
    browser = await launchChromium(executable);
  });

  afterAll(async () => {
    await browser?.close();
  });

  /** Opens a report and calls `check`, in light and dark. */
  async function open(html: string, width: number, check: (page: Page) => Promise<void>) {
    for (const colorScheme of ["light", "dark"] as const) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      const messages: string[] = [];
      page.on("console", (message) => messages.push(message.text()));
      try {
        await page.setContent(html);
        await check(page);
        // A violation of the page's policy is a message.
        expect(messages).toEqual([]);
      } finally {
        await page.close();
      }
    }
  }

  describe.each([
    ["a run", RUN],
    ["a checkpoint", CHECKPOINT],
  ])("the report of %s", (_, html) => {
    it.each([390, 820, 1280])("fits a page of %i px, with text of 12 px or more", async (width) => {
      await open(html, width, async (page) => {
        const { overflow, small, scrolling, broken, lastColumn } = await layoutOf(page);
        expect(overflow).toBeLessThanOrEqual(0);
        expect(small).toEqual([]);
        expect(scrolling).toBe(0);
        expect(broken).toEqual([]);
        expect(lastColumn).toBeLessThanOrEqual(width);
      });
    });

    const axe = axeSource();
    it.skipIf(axe === undefined)(
      needing("axe-core", "has no violation that axe finds"),
      async () => {
        for (const width of [390, 1280])
          await open(html, width, async (page) => {
            const found = await page.evaluate(
              `${axe}; axe.run(document).then(({ violations }) => violations.map(({ id }) => id))`,
            );
            expect(found).toEqual([]);
          });
      },
    );
  });

  it("the header of a checkpoint's tensors stays in view", async () => {
    await open(CHECKPOINT, 1280, async (page) => {
      const top = await page.evaluate(() => {
        const rows = document.querySelectorAll(".sticky tbody tr");
        rows[rows.length - 20]?.scrollIntoView({ block: "center" });
        return document.querySelector(".sticky thead th")?.getBoundingClientRect().top;
      });
      expect(top).toBe(0);
    });
  });
});
