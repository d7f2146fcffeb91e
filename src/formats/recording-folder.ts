import { fileURLToPath } from "node:url";

/** The folder of a recording: `atlas` is the one that the package ships, anything else a path. */
export function recordingFolder(nameOrPath: string): string {
  if (nameOrPath !== "atlas") return nameOrPath;
  return fileURLToPath(new URL("../../atlas", import.meta.url));
}
