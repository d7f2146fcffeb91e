import { dirname } from "node:path";
import { entryDigest, KernelcastError, type KeptEntry, type TrustEntry, type TrustKey } from "../domain/index.ts";
import { makeFolder } from "./make-folder.ts";
import { networkFileSystem } from "./network-file-system.ts";
import { openSqlite, type SqliteDatabase } from "./sqlite-engine.ts";

/** What surrogates showed, kept in a file of its own that outlives runs. Any process may add to it. */
export interface TrustLedger {
  readonly path: string;
  /** Keeps entries that are not there yet, atomically; returns how many were new. */
  add(key: TrustKey, entries: readonly TrustEntry[], at: number): number;
  /** Takes over entries of another ledger as they are; those that are there already change nothing. */
  merge(entries: readonly KeptEntry[]): number;
  keys(): readonly TrustKey[];
  /** In the ledger's order; of all keys without one. */
  entries(key?: TrustKey): readonly KeptEntry[];
  close(): void;
}

const schema = `CREATE TABLE IF NOT EXISTS trust_entry (
  digest TEXT PRIMARY KEY,
  surrogate TEXT NOT NULL,
  recipe TEXT NOT NULL,
  device TEXT NOT NULL,
  at REAL NOT NULL,
  entry TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS trust_entry_order ON trust_entry (surrogate, recipe, device, at, digest);`;

/** Marks a file as a ledger of ours: "ktrl". */
const applicationId = 0x6b74726c;

/** Opens a ledger, creating file and folder as needed. Throws `KernelcastError("store", …)`. */
export function openTrustLedger(path: string): TrustLedger {
  return guarded(path, () => {
    makeFolder(dirname(path));
    const database = openSqlite(path);
    database.exec("PRAGMA busy_timeout = 10000");
    requireLedger(database, path);
    database.exec(`PRAGMA journal_mode = ${networkFileSystem(dirname(path)) === undefined ? "WAL" : "DELETE"}`);
    database.exec("PRAGMA synchronous = NORMAL");
    database.exec(schema);
    database.exec(`PRAGMA application_id = ${applicationId}`);
    return createLedger(path, database);
  });
}

function requireLedger(database: SqliteDatabase, path: string): void {
  const id = Number(database.prepare("PRAGMA application_id").get()?.["application_id"] ?? 0);
  const tables = Number(database.prepare("SELECT count(*) AS n FROM sqlite_master").get()?.["n"] ?? 0);
  if (id === applicationId || tables === 0) return;
  throw new KernelcastError("store", `${path} is no ledger of trust; choose another --ledger`);
}

function createLedger(path: string, database: SqliteDatabase): TrustLedger {
  const insert = database.prepare(
    "INSERT OR IGNORE INTO trust_entry (digest, surrogate, recipe, device, at, entry) VALUES (?, ?, ?, ?, ?, ?) RETURNING digest",
  );
  const ofKey = database.prepare(
    "SELECT * FROM trust_entry WHERE surrogate = ? AND recipe = ? AND device = ? ORDER BY at, digest",
  );
  const all = database.prepare("SELECT * FROM trust_entry ORDER BY surrogate, recipe, device, at, digest");
  const keys = database.prepare("SELECT DISTINCT surrogate, recipe, device FROM trust_entry ORDER BY 1, 2, 3");
  const merge = (entries: readonly KeptEntry[]): number => {
    if (entries.length === 0) return 0;
    database.exec("BEGIN IMMEDIATE");
    try {
      let added = 0;
      for (const { key, entry, at, digest } of entries) {
        const { surrogate, recipe, device } = key;
        added += insert.all(digest, surrogate, recipe, device, at, JSON.stringify(entry)).length;
      }
      database.exec("COMMIT");
      return added;
    } catch (error) {
      database.exec("ROLLBACK");
      throw error;
    }
  };
  return {
    path,
    merge: (entries) => guarded(path, () => merge(entries)),
    add: (key, entries, at) =>
      guarded(path, () =>
        merge(
          entries.map((entry, place) => {
            // Entries of one moment keep their order.
            const moment = at + place * 1e-5;
            return { key, entry, at: moment, digest: entryDigest(key, entry, moment) };
          }),
        ),
      ),
    keys: () => guarded(path, () => keys.all().map(toKey)),
    entries: (key) =>
      guarded(path, () =>
        (key ? ofKey.all(key.surrogate, key.recipe, key.device) : all.all()).map((row) => ({
          key: toKey(row),
          entry: JSON.parse(String(row["entry"])) as TrustEntry,
          at: Number(row["at"]),
          digest: String(row["digest"]),
        })),
      ),
    close: () => database.close(),
  };
}

function toKey(row: Readonly<Record<string, unknown>>): TrustKey {
  return { surrogate: String(row["surrogate"]), recipe: String(row["recipe"]), device: String(row["device"]) };
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (KernelcastError.isInstance(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("store", `the ledger of trust ${path} cannot be used: ${why}`, { cause });
  }
}
