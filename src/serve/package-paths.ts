import { fileURLToPath } from "node:url";

/** Absolute path of a file or folder of the installed package, by its path from the package's root. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(`../../${relative}`, import.meta.url));
}
