import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { liveRunFolders } from "../../scripts/live-report.ts";
import { logVersion, readLiveRun, readReceipts } from "../../scripts/live-run.ts";
import { eventVersion } from "../../src/search/events.ts";

const folders = liveRunFolders();
const replayable = folders.filter((folder) => logVersion(folder) === eventVersion);
if (replayable.length < folders.length)
  console.warn(`skipped: the replay of ${folders.length - replayable.length} live runs logged by another version`);

function editedCopy(folder: string, file: string, edit: (text: string) => string): string {
  const copy = mkdtempSync(join(tmpdir(), "kernelcast-live-"));
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(folder, copy, { recursive: true });
  const path = join(copy, file);
  writeFileSync(path, gzipSync(edit(gunzipSync(readFileSync(path)).toString())));
  return copy;
}

describe("the published live searches", () => {
  it("are of at least three tasks", () => {
    expect(folders.length).toBeGreaterThanOrEqual(3);
  });

  it.each(folders)("%s has the receipts that its log names, with the controls right", (folder) => {
    const receipts = readReceipts(folder);
    expect(receipts.length).toBeGreaterThan(0);
    expect(receipts.every(({ controls_ok: ok }) => ok)).toBe(true);
  });

  it.each(replayable)("%s follows from its own log", (folder) => {
    const { summary } = readLiveRun(folder);
    expect(JSON.parse(readFileSync(join(folder, "summary.json"), "utf8"))).toEqual(summary);
    expect(summary.best).toMatchObject({ confirmed: true });
    expect(summary.best?.speedup).toBeGreaterThan(1);
  });

  it.skipIf(replayable.length === 0)("would not pass with a runtime changed in the log", () => {
    const [folder = ""] = replayable;
    const copy = editedCopy(folder, "events.jsonl.gz", (text) => text.replace(/"medianUs":\d/, '"medianUs":9'));
    expect(() => readLiveRun(copy)).toThrow(/does not follow/);
  });

  it("would not pass with a sample changed in a receipt", () => {
    const [folder = ""] = folders;
    const copy = editedCopy(folder, "receipts.jsonl.gz", (text) =>
      text.replace(/"samples_us":\[\d/, '"samples_us":[9'),
    );
    expect(() => readReceipts(copy)).toThrow(/no receipt with the hash/);
  });
});
