/** Writes the power curves of docs/results/trust/bench.json into docs/decisions/0016-trust.md. Part of `npm run results:trust`. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TrustBenchDocument } from "../src/cli/bench-trust-result.ts";
import { markdownTable, replaceBetween } from "./markdown.ts";

const path = (name: string): string => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));

/** What the curves run along, in words. */
const along: Readonly<Record<string, string>> = {
  missedShare: "share of wins it would skip",
  winRate: "share of candidates that win",
  errorScale: "errors over its widths",
  sharedError: "share of the error's variance that a task has in common",
  skill: "spread of kernels over its widths",
};

const { power_curves: curves = [] } = JSON.parse(
  readFileSync(path("results/trust/bench.json"), "utf8"),
) as TrustBenchDocument;
const percent = (part: number): string => `${Number((100 * part).toFixed(1))} %`;
const tables = curves.map(({ figure, along: what, points }) =>
  markdownTable(
    [along[what] ?? what, ...points.map(({ at }) => String(at))],
    [[figure, ...points.map(({ share }) => percent(share.value))]],
  ),
);
const decision = path("decisions/0016-trust.md");
writeFileSync(decision, replaceBetween(readFileSync(decision, "utf8"), "curves", tables.join("\n\n")));
