import { createRequire } from "node:module";

/** The part of `node:sqlite`'s synchronous API that the store uses; both engines offer it. */
export interface SqliteStatement {
  run(...values: readonly SqliteValue[]): unknown;
  get(...values: readonly SqliteValue[]): Readonly<Record<string, SqliteValue>> | undefined;
  all(...values: readonly SqliteValue[]): readonly Readonly<Record<string, SqliteValue>>[];
}

export type SqliteValue = string | number | null;

export interface SqliteDatabase {
  exec(sql: string): void;
  prepare(sql: string): SqliteStatement;
  close(): void;
}

export type SqliteEngineName = "node:sqlite" | "@photostructure/sqlite";

interface SqliteModule {
  readonly DatabaseSync: new (path: string) => SqliteDatabase;
}

const require = createRequire(import.meta.url);

/** Engines present on this Node, the preferred one first: the one built into Node 22.13 and later, else the prebuilt package. */
export function sqliteEngines(): readonly SqliteEngineName[] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const builtIn = major > 22 || (major === 22 && minor >= 13);
  return builtIn ? ["node:sqlite", "@photostructure/sqlite"] : ["@photostructure/sqlite"];
}

/** Opens a database file with the preferred engine, or the one named. */
export function openSqlite(path: string, engine: SqliteEngineName | undefined = sqliteEngines()[0]): SqliteDatabase {
  const { DatabaseSync } = require(engine ?? "@photostructure/sqlite") as SqliteModule;
  return new DatabaseSync(path);
}
