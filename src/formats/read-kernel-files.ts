import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { buildKernel, defaultLaunches, type KernelDraft, type ReadKernelsOptions } from "./kernel-draft.ts";
import { readOwnLaunches } from "./own-launches.ts";
import { readText } from "./read-text.ts";

/** The kernel of a `.cu` file, by the file's name; its own launches stand beside it. */
export async function readKernelFile(path: string, options: ReadKernelsOptions): Promise<KernelDraft> {
  const launches = (await readOwnLaunches(path)) ?? defaultLaunches(options);
  const source = await readText(path, { what: "kernel" });
  return { name: basename(path), place: path, kernel: buildKernel(path, source, launches, options) };
}

/** The kernels of a folder's `.cu` files, in order of name. Throws one line where there is none. */
export async function readKernelFolder(folder: string, options: ReadKernelsOptions): Promise<KernelDraft[]> {
  return Promise.all(listCuda(folder).map((file) => readKernelFile(join(folder, file), options)));
}

function listCuda(folder: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch (cause) {
    throw new KernelcastError("recording", `${folder}: cannot be read: ${fileFault(cause)}`, { cause });
  }
  const files = entries.filter((entry) => entry.endsWith(".cu")).sort();
  if (files.length > 0) return files;
  throw new KernelcastError("recording", `${folder}: there is no .cu file in it`);
}
