// Fails when the repository's tracked files outgrow their limits (36 MiB in all, 20 MiB of atlas, 10 MiB of models).
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";

const MiB = 2 ** 20;
const limits = [
  ["", 36 * MiB],
  ["atlas/", 20 * MiB],
  ["models/", 10 * MiB],
];
const files = execFileSync("git", ["ls-files", "-z"], { encoding: "utf8" }).split("\0").filter(Boolean);
let failed = false;
for (const [prefix, limit] of limits) {
  const bytes = files.filter((file) => file.startsWith(prefix)).reduce((sum, file) => sum + sizeOf(file), 0);
  const line = `${prefix || "all tracked files"}: ${(bytes / MiB).toFixed(2)} of ${limit / MiB} MiB`;
  console.log(line);
  failed ||= bytes > limit;
}
if (
  /"resolved": *"http/.test(
    execFileSync("git", ["show", ":package-lock.json"], { encoding: "utf8", maxBuffer: 64 * MiB }),
  )
) {
  console.log("package-lock.json holds registry addresses");
  failed = true;
}
process.exitCode = failed ? 1 : 0;

function sizeOf(file) {
  try {
    return statSync(file).size;
  } catch {
    return 0; // deleted in the working tree
  }
}
