/** Style sheet of the report. */
export const styles = `
:root { color-scheme: light; --ink: #111827; --line: #e5e7eb; --muted: #6b7280; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 960px; margin: 2rem auto; padding: 0 1rem; background: #fff; }
h1 { margin: 0; font-size: 1.6rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; border-bottom: 1px solid var(--line); }
.headline { font-size: 1.25rem; color: #059669; margin: .25rem 0; }
.caption { color: var(--muted); font-size: .85rem; }
.figures { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1rem 0; }
.figures div { border: 1px solid var(--line); border-radius: 6px; padding: .4rem .8rem; min-width: 5.5rem; }
.figures b { display: block; font-size: 1.05rem; } .figures span { color: var(--muted); font-size: .8rem; }
pre { overflow-x: auto; background: #f9fafb; border: 1px solid var(--line); border-radius: 6px; padding: .75rem; font-size: 12.5px; line-height: 1.4; }
.diff { display: grid; } .diff span { display: block; white-space: pre; } .diff .added { background: #dcfce7; } .diff .removed { background: #fee2e2; } .diff .hunk { color: var(--muted); }
table { border-collapse: collapse; width: 100%; font-size: 12.5px; } th, td { text-align: left; padding: .2rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tr.skip td { color: var(--muted); } tr.win td { background: #dcfce7; } tr.incorrect td, tr.compile_error td, tr.launch_error td, tr.timeout td, tr.crashed td, tr.suspicious td { background: #fef2f2; }
code { font-size: 12px; } svg { max-width: 100%; height: auto; overflow: visible; } .wide { overflow-x: auto; } .wide svg { max-width: none; } .key { white-space: nowrap; } #decisions, #measurements { overflow-x: auto; }
@media print {
  body { max-width: none; margin: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  pre, .diff span { white-space: pre-wrap; overflow-wrap: anywhere; } .wide svg { max-width: 100%; }
  h2 { break-after: avoid; } tr, figure, svg { break-inside: avoid; } thead { display: table-header-group; }
}
`;
