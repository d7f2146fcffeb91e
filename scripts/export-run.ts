/**
 * `npx tsx scripts/export-run.ts --workspace DIR --run RUN --out FOLDER`: writes a run's log, receipts and report as files
 * that can be committed: events.jsonl.gz, receipts.jsonl.gz, report.html, summary.json.
 */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import type { StoredEvent } from "../src/domain/index.ts";
import { collectReport } from "../src/report/collect.ts";
import { openWorkspace } from "../src/serve/workspace.ts";

/** Writes the run's files into a folder; gives how many events and receipts they hold. */
export function exportRun(
  folder: string,
  run: string,
  out: string,
): { readonly events: number; readonly receipts: number } {
  const workspace = openWorkspace(folder);
  try {
    const events = [...workspace.store.events(run)];
    const receipts = events.flatMap(receiptOf).flatMap((sha256) => workspace.store.blob(sha256) ?? []);
    mkdirSync(out, { recursive: true });
    writeFileSync(join(out, "events.jsonl.gz"), gzipSync(events.map((event) => `${JSON.stringify(event)}\n`).join("")));
    writeFileSync(join(out, "receipts.jsonl.gz"), gzipSync(receipts.map((receipt) => `${receipt}\n`).join("")));
    writeFileSync(
      join(out, "summary.json"),
      `${JSON.stringify(collectReport(workspace.store, run).summary, null, 2)}\n`,
    );
    cpSync(join(workspace.runFolder(run), "report.html"), join(out, "report.html"));
    return { events: events.length, receipts: receipts.length };
  } finally {
    workspace.store.close();
  }
}

function receiptOf({ type, payload }: StoredEvent): readonly string[] {
  if (type !== "measurement-end") return [];
  const { receiptSha256 } = (payload as { measurement: { receiptSha256?: string } }).measurement;
  return receiptSha256 === undefined ? [] : [receiptSha256];
}

function main(): void {
  const { values } = parseArgs({
    options: {
      workspace: { type: "string", default: ".kernelcast" },
      run: { type: "string" },
      out: { type: "string" },
    },
  });
  const { workspace, run, out } = values;
  if (!run || !out) throw new Error("give --run and --out");
  const { events, receipts } = exportRun(workspace, run, out);
  console.log(`${out}: ${events} events, ${receipts} receipts`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
