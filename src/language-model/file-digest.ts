import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const parts = 64;
const partBytes = 65_536;

/** Names a file by its size and by parts spread over all of it: model files are too large to be read for a name. */
export function fileDigest(path: string): string {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const hash = createHash("sha256").update(`${size} `);
    const buffer = Buffer.alloc(partBytes);
    const last = Math.max(0, size - partBytes);
    for (let part = 0; part < parts; part++) {
      const read = readSync(file, buffer, 0, partBytes, Math.floor((last * part) / (parts - 1)));
      hash.update(buffer.subarray(0, read));
    }
    return hash.digest("hex");
  } finally {
    closeSync(file);
  }
}
