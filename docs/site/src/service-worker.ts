/**
 * The service worker of the site: serves its files without a connection, and with the headers that let a page use
 * threads, which static hosts do not send.
 */

/** What this script uses of its scope, which the types of pages do not declare. */
interface Scope {
  /** The files of this build, which the build writes before this script. */
  readonly SITE_FILES: SiteFiles;
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: string, listener: (event: WorkerEvent) => void): void;
}

interface WorkerEvent {
  readonly request: Request;
  readonly data: unknown;
  waitUntil(work: Promise<unknown>): void;
  respondWith(response: Promise<Response>): void;
}

interface SiteFiles {
  /** Changes with the content of any file. */
  readonly version: string;
  /** The files of the playground, by their paths in the site. */
  readonly first: readonly string[];
  /** Further pages, which are stored when the page has nothing else to do. */
  readonly rest: readonly string[];
}

const scope = self as unknown as Scope;
const { version, first, rest } = scope.SITE_FILES;
const PREFIX = "espalier-site-";
const CACHE = PREFIX + version;

/** The address under which a file is stored: without options, and with the name of a folder's page. */
function storedAddress(address: string): string {
  const url = new URL(address);
  url.search = "";
  url.hash = "";
  if (url.pathname.endsWith("/")) url.pathname += "index.html";
  return url.href;
}

async function store(paths: readonly string[]): Promise<void> {
  const cache = await caches.open(CACHE);
  for (const path of paths) {
    const address = new URL(path, scope.registration.scope).href;
    if ((await cache.match(address)) !== undefined) continue;
    const response = await fetch(address, { cache: "no-cache" });
    if (!response.ok) throw new Error(`${address}: expected a file, got ${response.status}`);
    await cache.put(address, response);
  }
}

/** Adds the headers that isolate a page from others, so that it may share memory between threads. */
function isolated(response: Response): Response {
  if (response.status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("cross-origin-opener-policy", "same-origin");
  headers.set("cross-origin-embedder-policy", "require-corp");
  headers.set("cross-origin-resource-policy", "same-origin");
  const { status, statusText } = response;
  const hasBody = ![101, 204, 205, 304].includes(status);
  return new Response(hasBody ? response.body : null, { status, statusText, headers });
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const address = storedAddress(request.url);
  const stored = await cache.match(address);
  if (stored !== undefined) return isolated(stored);
  const response = await fetch(request);
  // A full storage does not keep the page from its file.
  if (response.ok) await cache.put(address, response.clone()).catch(() => {});
  return isolated(response);
}

async function removeOldCaches(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

scope.addEventListener("install", (event) => event.waitUntil(store(first)));

scope.addEventListener("activate", (event) =>
  event.waitUntil(removeOldCaches().then(() => scope.clients.claim())),
);

scope.addEventListener("message", (event) => {
  if (event.data === "store the rest") event.waitUntil(store(rest));
});

scope.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(scope.registration.scope))
    event.respondWith(answer(event.request));
});
