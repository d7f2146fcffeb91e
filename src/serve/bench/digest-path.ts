import { createHash, type Hash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** SHA-256 of a file, or of the names and contents of all files of a folder, in hex; empty where there is neither. */
export function digestPath(path: string, includes: (name: string) => boolean = () => true): string {
  const found = path === "" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!found) return "";
  const hash = createHash("sha256");
  if (found.isDirectory()) addFolder(hash, path, includes);
  else hash.update(readFileSync(path));
  return hash.digest("hex");
}

function addFolder(hash: Hash, folder: string, includes: (name: string) => boolean): void {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (!includes(entry.name)) continue;
    if (entry.isDirectory()) {
      hash.update(`${entry.name}/\n`);
      addFolder(hash, path, includes);
      hash.update("..\n");
    } else if (entry.isFile()) {
      hash.update(`${entry.name}\n`).update(createHash("sha256").update(readFileSync(path)).digest());
    }
  }
}
