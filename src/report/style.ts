/** The style sheet of reports: system fonts, one column of limited width, light and dark colours, and paper. */

export const REPORT_STYLE: string = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1d2127; --soft: #565e69; --rule: #e3e5e8;
  --track: #e8eaed; --muted: #9aa1ab; --plate: #f4f5f6;
  --series-1: #2f7bd6; --series-2: #dd6427; --series-3: #178f63; --series-4: #b57f06;
  --series-5: #6a58c7; --series-6: #bd3f78;
  --right: 47 123 214; --wrong: 221 100 39;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1c1f23; --ink: #e8eaed; --soft: #a8afb9; --rule: #2f343a;
    --track: #2e3338; --muted: #767e89; --plate: #121416;
    --series-1: #5b9ff0; --series-2: #f08650; --series-3: #3dbb8a; --series-4: #d9a635;
    --series-5: #a093f0; --series-6: #e57bab;
    --right: 91 159 240; --wrong: 240 134 80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 40px 24px 64px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  overflow-wrap: anywhere; -webkit-text-size-adjust: 100%;
}
main { max-width: 1160px; margin: 0 auto; }
.broad main { max-width: 1500px; }
h1 { font-size: 28px; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 8px; }
h2 { font-size: 21px; letter-spacing: -0.01em; margin: 48px 0 14px; }
h2 code { font-size: 0.95em; }
h3 { font-size: 16px; margin: 28px 0 10px; }
p { max-width: 74ch; margin: 0 0 12px; color: var(--soft); }
.note { margin-top: 12px; font-size: 14px; }
.warning { padding: 8px 12px; border-left: 3px solid var(--series-2); background: var(--card); color: var(--ink); }
.answers { margin: 0 0 18px; padding: 0; list-style: none; max-width: 84ch; }
.answers li { margin: 0 0 6px; font-size: 17px; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: 0; font-size: 12.5px; white-space: pre; overflow-wrap: normal; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); gap: 18px; align-items: start; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; margin: 0 0 18px; min-width: 0; }
.plots .card { margin: 0; }
.plots + * { margin-top: 18px; }
.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)); gap: 0 18px; align-items: start; }
.halves > div { min-width: 0; }
.halves h3, .halves > div > details { margin-top: 0; }
.columns { columns: 2 480px; column-gap: 18px; }
.columns .card { break-inside: avoid; }
.phone { display: none; }
.card figcaption { font-weight: 600; font-size: 14px; margin: 2px 0 10px; }
.card figcaption span { font-weight: 400; color: var(--soft); }
.card figcaption.below { font-weight: 400; font-size: 13px; color: var(--soft); margin: 6px 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14.5px; overflow-wrap: normal; }
th, td { text-align: right; padding: 7px 10px; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { font-weight: 600; color: var(--soft); font-size: 13px; vertical-align: bottom; }
th:first-child { text-align: left; padding-left: 0; }
td:last-child, thead th:last-child { padding-right: 0; }
tbody tr:last-child > * { border-bottom: 0; }
th.text, td.text { text-align: left; }
table:not(.settings) td:not(.text) { white-space: nowrap; }
.settings { font-size: 14px; }
.settings th, .settings td { padding: 4px 8px; }
.settings th { font-weight: 400; color: var(--soft); width: 40%; padding-left: 0; }
.settings td { text-align: left; }
.sticky { font-size: 13px; }
.sticky th, .sticky td { padding: 5px 8px; }
.sticky thead th { position: sticky; top: 0; background: var(--card); box-shadow: 0 1px 0 var(--rule); }
.sticky tbody th { font-weight: 500; min-width: 150px; }
.bars td, .bars th { border: 0; padding: 2px 0 2px 10px; font-size: 13px; vertical-align: middle; }
.bars th { font-weight: 400; width: 42%; padding-left: 0; line-height: 1.25; }
.halves .bars th { width: 56%; }
.bars td:last-child { width: 4.5em; }
.bar { display: block; width: 100%; height: 11px; }
.bar .track { fill: var(--track); }
.bar .grey { fill: var(--muted); }
.bar .accent { fill: var(--series-1); }
.matrix { width: auto; min-width: 40%; }
.matrix th, .matrix td { padding: 5px 7px; font-size: 13px; border: 1px solid var(--card); }
.matrix td { text-align: center; min-width: 30px; }
.matrix tbody th { text-align: left; font-weight: 400; min-width: 84px; }
.matrix thead th { text-align: center; }
.matrix thead th:first-child { text-align: left; }
details { margin: 0 0 18px; }
summary { cursor: pointer; font-weight: 600; font-size: 15px; margin: 0 0 10px; }
.errors { margin: 0; padding: 0 0 0 26px; }
.errors li { padding: 8px 0; border-bottom: 1px solid var(--rule); }
.errors li:last-child { border: 0; }
.errors p, .errors summary { margin: 0; color: var(--ink); max-width: none; font-size: 15px; font-weight: 400; white-space: pre-line; }
.errors details { margin: 0; }
.errors p + p, .errors details + p, .errors p + details, .errors details + details { margin-top: 4px; }
.errors .verdict { font-size: 13.5px; color: var(--soft); }
.errors .verdict b { color: var(--ink); unicode-bidi: isolate; }
.plot { display: block; width: 100%; height: auto; max-width: 560px; }
.plot text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.plot .title { fill: var(--ink); font-size: 13.5px; font-weight: 600; }
.plot .legend { fill: var(--ink); }
.plot .grid { stroke: var(--rule); stroke-width: 1; }
.plot .axis { stroke: var(--muted); stroke-width: 1; }
.plot .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.plot .dashed { stroke-dasharray: 5 4; stroke-linecap: butt; }
.plot .marker { stroke: var(--card); stroke-width: 1; }
.plot .points { fill-opacity: 0.5; }
.mask { display: block; max-width: 100%; height: auto; background: var(--plate); image-rendering: pixelated; outline: 1px solid var(--rule); }
footer { margin-top: 48px; font-size: 13px; color: var(--soft); }
@media screen and (max-width: 1000px) {
  .sticky { font-size: 12px; }
  .sticky thead th { font-size: 12px; }
  .sticky th, .sticky td { padding: 4px 3px; }
  .sticky tbody th { min-width: 110px; }
  .stack, .stack thead th { font-size: 12.5px; }
  .stack th, .stack td { padding: 6px 4px; }
  .stack th:first-child { padding-left: 0; }
  .stack td:last-child { padding-right: 0; }
  .matrix th, .matrix td { padding: 5px 3px; font-size: 12px; min-width: 26px; }
}
@media screen and (max-width: 720px) {
  body { padding: 24px 16px 48px; }
  .card { padding: 10px 12px; }
  .stack thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .stack, .stack tbody, .stack tr, .stack tbody th { display: block; width: auto; }
  .stack { font-size: 14px; }
  .stack tr { padding: 10px 0; border-bottom: 1px solid var(--rule); }
  .stack tr:last-child { border: 0; }
  .stack tbody th { padding: 0 0 2px; border: 0; font-weight: 600; text-align: left; }
  .stack tbody td { display: flex; justify-content: space-between; gap: 16px; padding: 1px 0; border: 0; text-align: right; }
  .stack td::before { content: attr(data-label); color: var(--soft); font-size: 13px; text-align: left; white-space: nowrap; }
  .stack td:last-child { text-align: right; }
  .stack td:empty, .flow td:empty { display: none; }
  .flow thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .flow, .flow tbody, .flow tr, .flow tbody th { display: block; width: auto; }
  .flow tr { padding: 6px 0; border-bottom: 1px solid var(--rule); }
  .flow tr:last-child { border: 0; }
  .flow tbody th { padding: 0; border: 0; font-weight: 600; }
  .flow tbody td { display: inline-block; padding: 0 14px 0 0; border: 0; }
  .flow td::before { content: attr(data-label) " "; color: var(--soft); }
  .phone { display: block; }
  .not-phone { display: none; }
  .sticky { font-size: 13px; }
  table { font-size: 14px; }
  th, td { padding: 6px; }
  .matrix th, .matrix td { padding: 5px 2px; }
}
@page { margin: 14mm; }
@media print {
  body { padding: 0; background: #fff; font-size: 11pt; }
  main, .broad main { max-width: none; }
  .card { border: 0; padding: 0; }
  .sticky { font-size: 8pt; }
  .sticky th, .sticky td { padding: 2px 4px; }
  .sticky thead th { position: static; }
  tr, li, .plots .card { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  main > details:not([open]), .halves > div > details:not([open]) { display: none; }
  .track, .grey, .accent, .matrix td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
