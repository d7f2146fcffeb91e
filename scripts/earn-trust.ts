/**
 * Earns the trust that the package's forecasters ship with: searches each task of the atlas's validation split with `--trust auto`, on a
 * ledger that starts empty, and writes the ledger to `models/trust-v1.jsonl.gz`. Arguments: forecasters; by default those that
 * ship. Entries of others that are in the file already stay.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { chooseTasks } from "../src/evaluate/choose-tasks.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { ledgerLines, readLedgerLines } from "../src/formats/trust-lines.ts";
import { searchTask } from "../src/serve/search-task.ts";
import { shippedLedgerPath } from "../src/serve/trust/shipped-ledger.ts";
import { trustChanges, trustStatus } from "../src/serve/trust/trust-document.ts";
import { openTrustLedger } from "../src/store/trust-ledger.ts";

const asked = process.argv.slice(2);
const forecasters = asked.length > 0 ? asked : ["adapt:auto", "static", "auto", "compare"];
/** More would hardly bring wins: the fastest kernels were found by then. */
const measurements = 160;

const { taskIds } = chooseTasks(await loadRecording("atlas"), "validation");
for (const forecaster of forecasters) await earn(forecaster);

async function earn(forecaster: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "kernelcast-trust-"));
  const ledgerPath = join(folder, "trust.sqlite");
  try {
    for (const task of taskIds) {
      const { measured } = await searchTask({
        task,
        device: "recorded:atlas",
        policy: "gate",
        forecaster,
        trust: "auto",
        ledger: ledgerPath,
        unearned: true,
        budget: { measurements },
        seed: 1,
        workspace: folder,
      });
      console.log(`${forecaster}: ${task}, ${measured} measured`);
    }
    ship(ledgerPath, forecaster);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function ship(ledgerPath: string, forecaster: string): void {
  const ledger = openTrustLedger(ledgerPath);
  for (const key of ledger.keys()) {
    const { level, labels, lacking } = trustStatus(ledger, key);
    console.log(`${key.surrogate} on ${key.device}: ${level}, ${labels} labels; ${lacking.join("; ")}`);
    for (const { what, reason } of trustChanges(ledger, key)) console.log(`  ${what}: ${reason}`);
  }
  const earned = ledger.entries();
  ledger.close();
  const others = readShipped().filter(({ key }) => key.surrogate !== forecaster);
  writeFileSync(shippedLedgerPath, gzipSync(ledgerLines([...others, ...earned]), { level: 9 }));
}

function readShipped() {
  if (!existsSync(shippedLedgerPath)) return [];
  return readLedgerLines(gunzipSync(readFileSync(shippedLedgerPath)).toString("utf8"), shippedLedgerPath);
}
