/** Serves the built site as a static host does, and opens it in a browser with an empty profile. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import type { BrowserContext, Page } from "playwright-core";
import { expect } from "vitest";
import { findChromium, launchProfile } from "../browser/chromium.ts";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

export const SITE: string = join(PROJECT_ROOT, "docs", "site", "dist");

const executable = findChromium();

/** Whether tests of the site are skipped: without its build or a Chromium, unless they are required. */
export const isSkipped: boolean =
  process.env.ESPALIER_REQUIRE_BROWSER !== "1" &&
  (executable === undefined || !existsSync(join(SITE, "index.html")));

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};
const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";

/** Bytes of all files that a visit has loaded, by path. */
export type Served = Map<string, Uint8Array>;

/** The site in a browser. */
export interface OpenSite {
  readonly origin: string;
  readonly context: BrowserContext;
  readonly served: Served;
  /** Ends the server, as a lost connection does. */
  stopServer(): Promise<void>;
  close(): Promise<void>;
}

/** Starts a server of the site and a browser with an empty profile. */
export async function openSite(
  colorScheme: "light" | "dark" = "light",
  serviceWorkers: "allow" | "block" = "allow",
): Promise<OpenSite> {
  if (executable === undefined) throw new Error("no Chromium was found");
  if (!existsSync(join(SITE, "index.html")))
    throw new Error('docs/site/dist: expected a build; run "npm run site" first');
  const served: Served = new Map();
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const path = join(SITE, pathname.endsWith("/") ? `${pathname}index.html` : pathname);
    if (!existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    const bytes = readFileSync(path);
    served.set(pathname, bytes);
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-security-policy": POLICY }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const profile = mkdtempSync(join(tmpdir(), "espalier-profile-"));
  const context = await launchProfile(executable, profile, { colorScheme, serviceWorkers });
  return {
    origin: `http://127.0.0.1:${port}`,
    context,
    served,
    stopServer: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    close: async () => {
      await context.close();
      server.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** A page of the site, with what it complains about and the hosts that it asks. */
export interface SitePage {
  readonly page: Page;
  readonly complaints: string[];
  readonly hosts: Set<string>;
}

export async function visit({ context, origin }: OpenSite, query: string = ""): Promise<SitePage> {
  const page = await context.newPage();
  const complaints: string[] = [];
  const hosts = new Set<string>();
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.protocol !== "blob:") hosts.add(url.origin);
  });
  await page.goto(`${origin}/${query}`);
  await page.getByRole("button", { name: "Choose files" }).waitFor();
  return { page, complaints, hosts };
}

/** Gives the page files by its file inputs. A directory goes to the input for folders. */
export async function give(page: Page, paths: string | readonly string[]): Promise<void> {
  const isFolder = typeof paths === "string" && extname(paths) === "";
  const input = page.locator("input[type=file]").nth(isFolder ? 1 : 0);
  await input.setInputFiles(typeof paths === "string" ? paths : [...paths]);
}

/** The files that a button downloads, by name. */
export async function downloaded(
  page: Page,
  button: string,
  files: number,
): Promise<Map<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  const all = new Promise<void>((resolve) => {
    page.on("download", async (download) => {
      found.set(download.suggestedFilename(), readFileSync(await download.path()));
      if (found.size === files) resolve();
    });
  });
  await page.getByRole("button", { name: button, exact: true }).click();
  await all;
  page.removeAllListeners("download");
  // Chromium drops downloads of a page that begins more than ten within a second.
  if (files > 3) await page.waitForTimeout(1000);
  return found;
}

/** The code that the page shows under a title. */
export async function codeOf(page: Page, title: string): Promise<string> {
  return (await page.locator(".code", { hasText: title }).locator("pre").textContent()) ?? "";
}

/** Waits until all tensors are read. */
export async function tensorsRead(page: Page): Promise<void> {
  await page.getByRole("status").filter({ hasText: "tensors read." }).waitFor();
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The violations that axe finds, with the elements. */
export function violations(page: Page): Promise<unknown> {
  const run = `axe.run(document).then(({ violations }) =>
    violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]))`;
  return page.evaluate(`${AXE}; ${run}`);
}

/** How far content reaches beyond the width of the page. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

/** The layout shift that the page has measured. */
function layoutShift(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        new PerformanceObserver((list) =>
          resolve(
            list
              .getEntries()
              .map(
                (entry) => entry as PerformanceEntry & { value: number; hadRecentInput: boolean },
              )
              .reduce((sum, { value, hadRecentInput }) => sum + (hadRecentInput ? 0 : value), 0),
          ),
        ).observe({ type: "layout-shift", buffered: true });
        setTimeout(() => resolve(0), 500);
      }),
  );
}

/**
 * Opens a view at the widths of a phone, a tablet and a desktop, brings it to a state with `show`, and expects that axe
 * finds nothing and that nothing overflows or shifts. ESPALIER_SCREENSHOTS names a directory for pictures.
 */
export async function expectAccessible(
  name: string,
  query: string,
  scheme: "light" | "dark",
  show: (page: Page) => Promise<void>,
): Promise<void> {
  const site = await openSite(scheme);
  try {
    for (const width of [390, 820, 1600]) {
      const { page } = await visit(site, query);
      await page.setViewportSize({ width, height: 900 });
      expect(await violations(page)).toEqual([]);
      await show(page);
      expect(await violations(page)).toEqual([]);
      expect(await overflow(page)).toBe(0);
      expect(await layoutShift(page)).toBeLessThan(0.1);
      const pictures = process.env.ESPALIER_SCREENSHOTS;
      if (pictures !== undefined)
        await page.screenshot({
          path: join(pictures, `${name}-${scheme}-${width}.png`),
          fullPage: true,
        });
      await page.close();
    }
  } finally {
    await site.close();
  }
}
