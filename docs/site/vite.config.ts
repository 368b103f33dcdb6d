/** Builds the site: static files that load nothing from another host. */
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";
import { REPORT_STYLE } from "../../src/report/style.ts";

const REPORT_CSS = "virtual:report.css";

/** Provides the style sheet of reports as a module, so that the site and reports look alike. */
function reportStyle(): Plugin {
  return {
    name: "report-style",
    resolveId: (id) => (id === REPORT_CSS ? `\0${REPORT_CSS}` : undefined),
    load: (id) => (id === `\0${REPORT_CSS}` ? REPORT_STYLE : undefined),
  };
}

/** The policy of `index.html`, for workers too, which do not take it from the page. */
const headers = {
  "content-security-policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
};

/** The path of a file of the package's build. */
function local(path: string): string {
  return fileURLToPath(new URL("../../dist/", import.meta.url)) + path;
}

/** The path of a source of the site. */
function page(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  // Unknown addresses are errors, not the page.
  appType: "mpa",
  plugins: [reportStyle()],
  worker: { format: "es" },
  resolve: {
    // The package as it is built: what a site of its user loads.
    alias: [
      { find: /^espalier\/(.*)\.wasm/, replacement: local("$1.wasm") },
      { find: /^espalier\/(\w+)$/, replacement: local("$1.js") },
    ],
  },
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  preview: { headers },
  build: {
    outDir: "dist",
    target: "es2022",
    // The policy forbids addresses of data.
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      input: [page("index.html"), page("src/service-worker.ts")],
      // A service worker serves the folder of its script.
      output: {
        entryFileNames: ({ name }) =>
          name === "service-worker" ? "[name].js" : "assets/[name]-[hash].js",
      },
    },
  },
});
