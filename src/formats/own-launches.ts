import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Launch } from "../domain/index.ts";
import { readLaunches } from "./read-launches.ts";

/** Where the launches of `NAME.cu` may stand, the first that is there. */
const suffixes = [".launches.yaml", ".yaml"] as const;

/**
 * The launches that stand beside a CUDA file, in `NAME.launches.yaml` or `NAME.yaml`; undefined where neither is there. A relative
 * path starts from the folder `from`.
 */
export async function readOwnLaunches(path: string, from = "."): Promise<readonly Launch[] | undefined> {
  const stem = path.replace(/\.cu$/, "");
  const own = suffixes.map((suffix) => `${stem}${suffix}`).find((file) => existsSync(resolve(from, file)));
  return own === undefined ? undefined : readLaunches(own, from);
}
