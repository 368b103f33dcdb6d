/** The style sheet of the guide: that of reports, and what running text needs beside it. */
import { REPORT_STYLE } from "../../../src/report/style.ts";

export function guideStyle(): string {
  return `${REPORT_STYLE}
body { padding-top: 24px; }
main, body > nav { max-width: 900px; margin: 0 auto; }
p, li { color: var(--ink); max-width: 84ch; }
a { color: inherit; text-underline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; margin: 0 0 24px; padding: 0; list-style: none; }
nav a[aria-current] { font-weight: 600; }
main > pre, li > pre, .pages { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; margin: 0 0 16px; }
pre { overflow-x: auto; }
:focus-visible { outline: 3px solid var(--series-1); outline-offset: 2px; }
.scroll { margin: 0 0 16px; }
th, td { text-align: left; }
table:not(.settings) td:not(.text) { white-space: normal; }
td code, th code { overflow-wrap: normal; }
img { max-width: 100%; height: auto; background: #fff; }
.pages { list-style: none; padding-left: 16px; }
.pages li { padding: 6px 0; }
`;
}
