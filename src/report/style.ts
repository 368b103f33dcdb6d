/** The style sheet of reports: system fonts, one column of limited width, and light and dark colours. */

export const REPORT_STYLE: string = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1d2127; --soft: #5b636e; --rule: #e3e5e8;
  --track: #eef0f2; --muted: #9aa1ab; --plate: #f4f5f6;
  --series-1: #2f7bd6; --series-2: #dd6427; --series-3: #178f63; --series-4: #b57f06;
  --series-5: #6a58c7; --series-6: #bd3f78;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --card: #1c1f23; --ink: #e8eaed; --soft: #a2a9b3; --rule: #2f343a;
    --track: #292d33; --muted: #767e89; --plate: #121416;
    --series-1: #5b9ff0; --series-2: #f08650; --series-3: #3dbb8a; --series-4: #d9a635;
    --series-5: #a093f0; --series-6: #e57bab;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 48px 24px 80px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1160px; margin: 0 auto; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 8px; }
h2 { font-size: 21px; letter-spacing: -0.01em; margin: 52px 0 14px; }
h2 code { font-size: 0.95em; }
p { max-width: 74ch; margin: 0 0 12px; color: var(--soft); }
.note { margin-top: 12px; font-size: 14px; }
code, .layer { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.grid-2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 18px; align-items: start; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; margin: 0; min-width: 0; }
.wide { margin-top: 18px; }
.card figcaption { font-weight: 600; font-size: 14px; margin: 2px 0 10px; }
.card figcaption span { font-weight: 400; color: var(--soft); }
.scroll { overflow: auto; max-height: 660px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14.5px; }
th, td { text-align: right; padding: 8px 12px; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); font-size: 13px; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
tbody tr:last-child td { border-bottom: 0; }
td:first-child { font-weight: 600; }
.settings td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.settings td:first-child { font-weight: 400; color: var(--soft); width: 34%; }
.settings tr:last-child td { border-bottom: 0; }
.plot { display: block; width: 100%; height: auto; }
.plot text { fill: var(--soft); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.plot .title { fill: var(--ink); font-size: 14px; font-weight: 600; }
.plot .legend { font-size: 12px; fill: var(--ink); }
.plot .layer { font-size: 10px; }
.plot .grid { stroke: var(--rule); stroke-width: 1; }
.plot .axis { stroke: var(--muted); stroke-width: 1; }
.plot .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.plot .dashed { stroke-dasharray: 5 4; stroke-linecap: butt; }
.plot .marker { stroke: var(--card); stroke-width: 1.5; }
.plot .track { fill: var(--track); }
.mask { display: block; background: var(--plate); image-rendering: pixelated; outline: 1px solid var(--rule); }
footer { margin-top: 56px; font-size: 13px; color: var(--soft); }
`;
