import { join } from "node:path";
import type { RunStore } from "../domain/index.ts";
import { openRunStore } from "../store/sqlite-run-store.ts";

/** Where runs and reports are kept: `.kernelcast` in the current folder unless the user names another. */
export interface Workspace {
  readonly folder: string;
  readonly store: RunStore;
  /** Folder of a run's files, not created yet. */
  runFolder(runId: string): string;
}

/** Opens a workspace, creating it as needed. Throws `KernelcastError("store", …)`. */
export function openWorkspace(folder: string): Workspace {
  const store = openRunStore(join(folder, "kernelcast.sqlite"));
  return { folder, store, runFolder: (runId) => join(folder, "runs", runId) };
}
