import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { makeFolder } from "../store/make-folder.ts";

export interface EncodedFile {
  readonly name: string;
  readonly content: Uint8Array | string;
}

/** Writes files of a recording into a folder, which is made if need be; each is replaced whole. */
export async function writeFiles(folder: string, files: readonly EncodedFile[]): Promise<void> {
  try {
    makeFolder(folder);
    for (const { name, content } of files) {
      const path = join(folder, name);
      await writeFile(`${path}.new`, content);
      await rename(`${path}.new`, path);
    }
  } catch (cause) {
    throw new KernelcastError("recording", `${folder}: cannot be written: ${fileFault(cause)}`, { cause });
  }
}
