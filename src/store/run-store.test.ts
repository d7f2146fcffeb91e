import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runStoreContract } from "../testing/run-store-contract.ts";
import { createMemoryRunStore } from "./memory-run-store.ts";
import { openSqlite, sqliteEngines } from "./sqlite-engine.ts";
import { openAnswerStore, openRunStore } from "./sqlite-run-store.ts";

const folder = mkdtempSync(join(tmpdir(), "kernelcast-store-"));
let files = 0;
const newPath = (): string => join(folder, `${files++}`, "runs.sqlite");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

runStoreContract("memory", createMemoryRunStore, { describe, it, expect });
for (const engine of sqliteEngines()) {
  runStoreContract(`SQLite file, ${engine}`, () => openRunStore(newPath(), { engine }), { describe, it, expect });
}

describe("the SQLite store", () => {
  it("survives closing and opening", () => {
    const path = newPath();
    const first = openRunStore(path);
    first.createRun({ runId: "r", configKey: "k", config: {}, createdAt: 1 });
    first.append("r", [{ seq: 0, type: "run-start", version: 1, at: 0, payload: null }]);
    first.close();
    const second = openRunStore(path);
    expect([...second.events("r")]).toHaveLength(1);
    second.close();
  });

  it("uses write-ahead logging on a local disk and the rollback journal on a network one", () => {
    const mode = (path: string): unknown => {
      const database = openSqlite(path);
      const row = database.prepare("PRAGMA journal_mode").get();
      database.close();
      return row?.["journal_mode"];
    };
    const local = newPath();
    openRunStore(local, { networkFileSystem: () => undefined }).close();
    expect(mode(local)).toBe("wal");
    const network = newPath();
    openRunStore(network, { networkFileSystem: () => "NFS" }).close();
    expect(mode(network)).toBe("delete");
  });

  it("says so when two writers continue one run", () => {
    const path = newPath();
    const [a, b] = [openRunStore(path), openRunStore(path)];
    a.createRun({ runId: "r", configKey: "k", config: {}, createdAt: 1 });
    const event = { seq: 0, type: "x", version: 1, at: 0, payload: null };
    a.append("r", [event]);
    expect(() => b.append("r", [event])).toThrow(/another process is writing this run/);
    a.close();
    b.close();
  });

  it("refuses a file that is no store, and one from the future, in one line", () => {
    const path = newPath();
    openRunStore(path).close();
    const database = openSqlite(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(() => openRunStore(path)).toThrow(/newer kernelcast/);
    writeFileSync(path, "x".repeat(4096));
    rmSync(`${path}-wal`, { force: true });
    rmSync(`${path}-shm`, { force: true });
    expect(() => openRunStore(path)).toThrow(/not a kernelcast store/);
    expect(readFileSync(path, "utf8")).toMatch(/^x+$/);
  });

  it("leaves another program's database as it is", () => {
    for (const [version, message] of [
      [0, /is a database of another program \(it has a table "users"\); move it away, or choose another/],
      [1, /is a database of another program \(it has no table "run"\)/],
    ] as const) {
      const path = newPath();
      mkdirSync(dirname(path));
      const database = openSqlite(path);
      database.exec(`CREATE TABLE users (name TEXT); PRAGMA user_version = ${version}`);
      database.close();
      const before = readFileSync(path);
      expect(() => openRunStore(path)).toThrow(message);
      expect(readFileSync(path).equals(before)).toBe(true);
    }
  });

  it.skipIf(process.platform !== "linux")("says that a folder cannot be made, where Node's mkdir never ends", () => {
    expect(() => openRunStore("/proc/kernelcast/runs.sqlite")).toThrow(/the store cannot be written/);
  });

  const mount = spawnSync("unshare", ["-rm", "true"]);
  it.skipIf(mount.status !== 0)("keeps what was acknowledged when the disk is full", () => {
    const mountPoint = join(folder, "small");
    const script = `
      import { openRunStore } from ${JSON.stringify(new URL("./sqlite-run-store.ts", import.meta.url).pathname)};
      const store = openRunStore(${JSON.stringify(join(mountPoint, "runs.sqlite"))});
      store.createRun({ runId: "r", configKey: "k", config: {}, createdAt: 1 });
      let acknowledged = 0;
      try {
        for (;;) {
          store.append("r", [{ seq: acknowledged, type: "x", version: 1, at: 0, payload: "y".repeat(10000) }]);
          acknowledged++;
        }
      } catch (error) { console.log(JSON.stringify({ message: error.message, acknowledged, kept: [...store.events("r")].length })); }`;
    const file = join(folder, "fill.mts");
    writeFileSync(file, script);
    const command = `mkdir -p ${mountPoint} && mount -t tmpfs -o size=400k tmpfs ${mountPoint} && ${process.execPath} --import tsx ${file}`;
    const { stdout, stderr } = spawnSync("unshare", ["-rm", "sh", "-c", command], {
      encoding: "utf8",
      cwd: process.cwd(),
    });
    expect(stderr).not.toMatch(/Error/);
    const { message, acknowledged, kept } = JSON.parse(stdout) as {
      message: string;
      acknowledged: number;
      kept: number;
    };
    expect(message).toMatch(/the disk is full/);
    expect(acknowledged).toBeGreaterThan(5);
    expect(kept).toBe(acknowledged);
  });
});

describe("the answers of language models in the store's file", () => {
  it("stay over processes, the first of each key, beside an open run store", () => {
    const path = newPath();
    const runs = openRunStore(path);
    const answers = openAnswerStore(path);
    answers.keepAnswer("k", "first");
    answers.keepAnswer("k", "second");
    runs.createRun({ runId: "r", configKey: "k", config: {}, createdAt: 1 });
    expect([answers.answer("k"), answers.answer("absent")]).toEqual(["first", undefined]);
    answers.close?.();
    runs.close();
    const again = openAnswerStore(path);
    expect(again.answer("k")).toBe("first");
    again.close?.();
  });

  it("find their place in a file that an earlier version wrote", () => {
    const path = newPath();
    openRunStore(path).close();
    const database = openSqlite(path);
    database.exec("DROP TABLE answer; DROP TABLE submission; PRAGMA user_version = 1");
    database.close();
    const answers = openAnswerStore(path);
    answers.keepAnswer("k", "text");
    expect(answers.answer("k")).toBe("text");
    answers.close?.();
  });
});
