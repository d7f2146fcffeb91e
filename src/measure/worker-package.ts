import { readdir, readFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { KernelcastError } from "../domain/index.ts";

/** The folder of kernelcast's own package that holds the Python package `kernelcast_worker`. */
export const pythonFolder: string = fileURLToPath(new URL("../../python/", import.meta.url));

/** The worker's files as one text to be sent to a machine that has nothing installed. */
export interface WorkerPackage {
  /** SHA-256 of the uncompressed archive; equal files give an equal digest. */
  readonly digest: string;
  /** Base64 of the gzipped tar. */
  readonly base64: string;
}

interface PackedFile {
  readonly name: string;
  readonly bytes: Buffer;
}

const blockBytes = 512;

/** Packs `kernelcast_worker` of `folder`. Throws `KernelcastError("device", …)` when it is not there. */
export async function packWorker(folder: string = pythonFolder): Promise<WorkerPackage> {
  const files = await collectFiles(folder, "kernelcast_worker");
  if (!files.some(({ name }) => name === "kernelcast_worker/__main__.py")) {
    throw new KernelcastError("device", `the worker's files are missing from ${folder}; install kernelcast again`);
  }
  const tar = toTar(files);
  const digest = createHash("sha256").update(tar).digest("hex");
  return { digest, base64: gzipSync(tar, { level: 9 }).toString("base64") };
}

async function collectFiles(root: string, folder: string): Promise<PackedFile[]> {
  const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
  const files: PackedFile[] = [];
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = `${folder}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== "__pycache__") files.push(...(await collectFiles(root, name)));
    if (entry.isFile() && !entry.name.endsWith(".pyc")) files.push({ name, bytes: await readFile(join(root, name)) });
  }
  return files;
}

/** A POSIX ustar archive of plain files, with nothing of this machine in it (no owner, no times). */
function toTar(files: readonly PackedFile[]): Buffer {
  const parts = files.flatMap(({ name, bytes }) => {
    const padding = (blockBytes - (bytes.length % blockBytes)) % blockBytes;
    return [tarHeader(name, bytes.length), bytes, Buffer.alloc(padding)];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * blockBytes)]);
}

function tarHeader(name: string, size: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new KernelcastError("internal", `${name}: too long a name for the archive`);
  const header = Buffer.alloc(blockBytes);
  header.write(name, 0);
  header.write("0000644\0", 100);
  header.write("0000000\0", 108);
  header.write("0000000\0", 116);
  header.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(" ".repeat(8), 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257);
  const checksum = header.reduce((sum, byte) => sum + byte, 0);
  header.write(`${checksum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}
