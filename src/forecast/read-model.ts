import { readFile } from "node:fs/promises";
import { fileFault, KernelcastError } from "../domain/index.ts";

/** The text of a forecaster's model file. Throws `KernelcastError("model", …)` for one that cannot be read. */
export async function readModel(path: string): Promise<string> {
  return (await readModelBytes(path)).toString("utf8");
}

/** The bytes of a forecaster's model file. Throws like `readModel`. */
export async function readModelBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const missing = typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOENT";
    const why = missing ? "no such file" : fileFault(cause);
    throw new KernelcastError("model", `cannot read the forecaster's model ${path}: ${why}`, { cause });
  }
}
