/** Serves the build and the consumer programs to pages, each below a content security policy. */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import { PROJECT_ROOT } from "../packaging/distribution.ts";

const WASM = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/** The policies, by the first segment of a page's address. Workers inherit none, so all files carry it. */
export const POLICIES: Readonly<Record<"strict" | "wasm" | "isolated", string>> = {
  strict: "default-src 'none'; script-src 'self'; connect-src 'self'",
  wasm: WASM,
  isolated: WASM,
};

/** What makes a page cross-origin isolated, so that it may share memory with its workers. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

const SERVED = ["dist", join("test", "consumer"), join("test", "browser", "pages")];
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
};

/** A running server. */
export interface PageServer {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** The policy and the file that an address stands for: `/strict/dist/index.js`. */
function resolveAddress(
  pathname: string,
): { policy: string; file: string; isolation: object } | undefined {
  const [, name = "", ...rest] = pathname.split("/");
  const policy = Object.entries(POLICIES).find(([known]) => known === name)?.[1];
  const path = normalize(rest.join("/"));
  const served = SERVED.some((folder) => path.startsWith(folder + sep));
  if (policy === undefined || !served) return undefined;
  const isolation = name === "isolated" ? ISOLATION : {};
  return { policy, file: join(PROJECT_ROOT, path), isolation };
}

function createPageServer(): Server {
  return createServer((request, response) => {
    const found = resolveAddress(new URL(request.url ?? "/", "http://localhost").pathname);
    const type = found === undefined ? undefined : TYPES[extname(found.file)];
    if (found === undefined || type === undefined) {
      response.writeHead(404).end();
      return;
    }
    readFile(found.file).then(
      (bytes) => {
        const headers = { "content-type": type, "content-security-policy": found.policy };
        response.writeHead(200, { ...headers, ...found.isolation }).end(bytes);
      },
      () => response.writeHead(404).end(),
    );
  });
}

/** Starts a server on a free port of this machine. */
export function startServer(): Promise<PageServer> {
  const server = createPageServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") {
        reject(new Error(`server: expected an address with a port, got ${String(address)}`));
        return;
      }
      resolve({
        origin: `http://127.0.0.1:${address.port}`,
        close: () => new Promise((closed) => server.close(() => closed())),
      });
    });
  });
}
