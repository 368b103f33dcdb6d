/** Finds a Chromium on this machine and starts it without a window. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { type Browser, type BrowserContext, chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The browser to use: CHROMIUM_PATH, else the first known name on PATH; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM_PATH;
  if (named !== undefined && named !== "") return named;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts the browser; it talks to nobody but the pages it is sent to. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, headless: true, args: ARGS });
}

/** Starts the browser with a profile in a directory, as a visitor has one. */
export function launchProfile(
  executablePath: string,
  directory: string,
  options: {
    readonly colorScheme?: "light" | "dark";
    readonly offline?: boolean;
    readonly serviceWorkers?: "allow" | "block";
  } = {},
): Promise<BrowserContext> {
  const settings = { executablePath, headless: true, args: ARGS, ...options };
  return chromium.launchPersistentContext(directory, settings);
}
