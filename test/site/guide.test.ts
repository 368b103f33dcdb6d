/** The pages of the guide and of the API reference: their links, and what a browser says about them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { needing } from "../needs.ts";
import { isSkipped, type OpenSite, openSite, overflow, SITE, violations, visit } from "./site.ts";

/** The pages below a folder of the site. */
function pagesIn(folder: string): readonly string[] {
  return readdirSync(join(SITE, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".html"))
    .map((name) => join(folder, name));
}

/** The links of a page that lead to no file, or to a place that its page does not have. */
function brokenLinks(page: string, read: (path: string) => string): readonly string[] {
  const links = [...read(page).matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, link = ""]) => link);
  return [...new Set(links)].filter((link) => {
    if (/^https?:/.test(link)) return false;
    const { pathname, hash } = new URL(link.replaceAll("&amp;", "&"), `file:///${page}`);
    const path = decodeURIComponent(pathname.slice(1));
    if (!existsSync(join(SITE, path))) return true;
    const id = decodeURIComponent(hash.slice(1));
    return id !== "" && path.endsWith(".html") && !read(path).includes(` id="${id}"`);
  });
}

describe.skipIf(isSkipped)(needing("the site and a Chromium", "the guide"), () => {
  let site: OpenSite;

  beforeAll(async () => {
    site = await openSite();
  }, 60_000);

  afterAll(async () => {
    await site?.close();
  }, 60_000);

  it.each(["guide", "reference"])("links of %s lead somewhere", (folder) => {
    const texts = new Map<string, string>();
    const read = (path: string): string => {
      const text = texts.get(path) ?? readFileSync(join(SITE, path), "utf8");
      texts.set(path, text);
      return text;
    };
    const pages = pagesIn(folder);
    expect(pages.length).toBeGreaterThan(15);
    const broken = pages.flatMap((page) =>
      brokenLinks(page, read).map(
        (link) => `${relative(SITE, join(SITE, dirname(page)))}: ${link}`,
      ),
    );
    expect(broken).toEqual([]);
  });

  it("every document of the project is a page", () => {
    const documents = readdirSync(join(SITE, "..", "..")).filter((name) => name.endsWith(".md"));
    const pages = readdirSync(join(SITE, "guide"));
    expect(documents.length).toBeGreaterThan(10);
    expect(documents.filter((name) => !pages.includes(name.replace(/md$/, "html")))).toEqual([]);
  });

  it.each(["light", "dark"] as const)(
    "axe finds nothing in the guide (%s)",
    async (scheme) => {
      const own = await openSite(scheme);
      try {
        const page = await own.context.newPage();
        const complaints: string[] = [];
        page.on("console", (message) => complaints.push(message.text()));
        for (const path of pagesIn("guide"))
          for (const width of [390, 1600]) {
            await page.setViewportSize({ width, height: 900 });
            await page.goto(`${own.origin}/${path}`);
            expect([path, await violations(page)]).toEqual([path, []]);
            expect([path, await overflow(page)]).toEqual([path, 0]);
          }
        expect(complaints).toEqual([]);
      } finally {
        await own.close();
      }
    },
    180_000,
  );

  it("the playground, the guide and the reference link to each other", async () => {
    const { page, complaints, hosts } = await visit(site);
    await page.getByRole("link", { name: "Guide" }).click();
    await page.getByRole("heading", { name: "Guide" }).waitFor();
    await page.getByRole("link", { name: "API reference" }).click();
    await page.getByRole("heading", { name: "Espalier" }).first().waitFor();
    await page.setViewportSize({ width: 390, height: 900 });
    expect(await overflow(page)).toBe(0);
    const pictures = process.env.ESPALIER_SCREENSHOTS;
    if (pictures !== undefined)
      await page.screenshot({ path: join(pictures, "reference-390.png") });
    await page.getByRole("link", { name: "Playground" }).click();
    await page.getByRole("button", { name: "Choose files" }).waitFor();
    expect(complaints).toEqual([]);
    expect([...hosts]).toEqual([site.origin]);
    await page.close();
  });

  it("the reference works under the policy: search and theme", async () => {
    const page = await site.context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    await page.goto(`${site.origin}/reference/index.html`);
    await page.locator("#tsd-search-trigger").click();
    await page.locator("#tsd-search-input").fill("pruneSafetensors");
    await page.locator("#tsd-search-results a", { hasText: "pruneSafetensors" }).first().click();
    await page
      .getByRole("heading", { name: /pruneSafetensors/ })
      .first()
      .waitFor();
    await page.evaluate(() => localStorage.setItem("tsd-theme", "dark"));
    await page.reload();
    const theme = await page.evaluate(() => document.documentElement.dataset.theme);
    expect(theme).toBe("dark");
    expect(complaints).toEqual([]);
    await page.close();
  });
});
