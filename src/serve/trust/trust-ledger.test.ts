import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { changedEnvironment, foldLedger } from "../../decide/trust/ledger.ts";
import { defaultTrustSettings as settings } from "../../decide/trust/settings.ts";
import type { TrustEntry, TrustKey, TrustLabel } from "../../domain/index.ts";
import { ledgerLines, readLedgerLines } from "../../formats/trust-lines.ts";
import { openTrustLedger, type TrustLedger } from "../../store/trust-ledger.ts";

const folder = mkdtempSync(join(tmpdir(), "trust-ledger-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const fresh = (): TrustLedger => openTrustLedger(join(folder, `${files++}`, "trust.sqlite"));
const key: TrustKey = { surrogate: "static", recipe: "r", device: "H100" };

function label(kernelId: string, skip = false): TrustEntry {
  const made: TrustLabel = {
    seal: `seal of ${kernelId}`,
    kernelId,
    taskId: "task",
    family: "family",
    at: 1,
    level: "shadow",
    skip,
    probability: 1,
    win: true,
    ok: true,
    pOk: 0.9,
    pit: 0.5,
    counts: true,
  };
  return { kind: "label", label: made, runId: "run" };
}

describe("a ledger", () => {
  it("keeps a kernel's label once, however often it is told, and in the order told", () => {
    const ledger = fresh();
    expect(ledger.add(key, [label("b"), label("a"), label("b", true)], 10)).toBe(2);
    expect(ledger.add(key, [label("a", true), label("c")], 20)).toBe(1);
    const kernels = ledger.entries(key).map(({ entry }) => entry.kind === "label" && entry.label.kernelId);
    expect(kernels).toEqual(["b", "a", "c"]);
    expect(foldLedger(ledger.entries(key), settings).record.evidence).toMatchObject({ wins: 3, missed: 0 });
    ledger.close();
  });

  it("outlives the process, apart by surrogate, recipe and device", () => {
    const ledger = fresh();
    ledger.add(key, [label("a")], 1);
    ledger.add({ ...key, recipe: "refitted" }, [label("a")], 1);
    ledger.close();
    const again = openTrustLedger(ledger.path);
    expect(again.keys().map(({ recipe }) => recipe)).toEqual(["r", "refitted"]);
    expect(again.entries(key).length).toBe(1);
    again.close();
  });

  it("agrees with another once both have taken each other over, in whatever order", () => {
    const entries = fc.array(
      fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.boolean(), fc.integer({ min: 1, max: 9 })),
    );
    fc.assert(
      fc.property(entries, entries, (mine, theirs) => {
        const [one, other] = [fresh(), fresh()];
        for (const [kernel, skip, at] of mine) one.add(key, [label(kernel, skip)], at);
        for (const [kernel, , at] of theirs) other.add(key, [label(`other ${kernel}`)], at);
        one.merge(other.entries());
        other.merge(readLedgerLines(ledgerLines(one.entries()), "lines"));
        expect(other.entries()).toEqual(one.entries());
        expect(one.merge(other.entries())).toBe(0);
        one.close();
        other.close();
      }),
      { numRuns: 20 },
    );
  });

  it("is told from other files, and lines that are none are named", () => {
    const path = join(folder, "other.sqlite");
    writeFileSync(path, "no database at all, but long enough to be taken for one by its size alone".repeat(20));
    expect(() => openTrustLedger(path)).toThrow(/other\.sqlite/);
    expect(() => readLedgerLines("{}\n", "file")).toThrow(/file:1: key/);
    const [line = ""] = (() => {
      const ledger = fresh();
      ledger.add(key, [label("a")], 1);
      const lines = ledgerLines(ledger.entries()).split("\n");
      ledger.close();
      return lines;
    })();
    expect(() => readLedgerLines(line.replace('"kernelId":"a"', '"kernelId":"z"'), "file")).toThrow(/digest/);
  });
});

it("a level that was set and a guard are applied in their order, with who and why", () => {
  const ledger = fresh();
  ledger.add(key, [{ kind: "set", level: "live", because: "a test", who: "ada" }], 1);
  ledger.add(key, [{ kind: "guard", level: "canary", reason: "driver was 1, now 2" }], 2);
  const { changes, record } = foldLedger(ledger.entries(key), settings);
  expect(record.level).toBe("canary");
  expect(changes.map(({ by, change }) => [by, change.reason])).toEqual([
    ["person", "set by ada: a test"],
    ["guard", "driver was 1, now 2"],
  ]);
  ledger.close();
});

it("an environment has changed only where both tell of it", () => {
  expect(changedEnvironment({ driver: "1" }, { driver: "2", cuda: "13" })).toEqual(["driver was 1, now 2"]);
  expect(changedEnvironment({}, { driver: "2" })).toEqual([]);
});
