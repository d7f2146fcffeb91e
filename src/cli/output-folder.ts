import { fileFault, KernelcastError } from "../domain/index.ts";
import { makeFolder } from "../store/make-folder.ts";

/** Makes the folder of `--out` before anything is asked or run, which may take minutes. Throws `KernelcastError("store", …)`. */
export function makeOutputFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (cause) {
    throw new KernelcastError("store", `cannot make the folder ${folder}: ${fileFault(cause)}`, { cause });
  }
}
