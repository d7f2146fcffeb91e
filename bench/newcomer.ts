/**
 * `npm run bench:newcomer [-- --json]`: what a newcomer waits for: this repository's last commit cloned into a new folder with an
 * empty home, then `npm ci`, then `npm run demo`. Needs git and a package registry.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "kernelcast-newcomer-"));
const clone = join(scratch, "kernelcast");
const home = join(scratch, "home");

function seconds(program: string, ...words: readonly string[]): number {
  const start = performance.now();
  execFileSync(program, words, {
    cwd: clone,
    env: { ...process.env, HOME: home },
    stdio: ["ignore", "ignore", "inherit"],
  });
  return Number(((performance.now() - start) / 1000).toFixed(1));
}

mkdirSync(home);
execFileSync("git", ["clone", "--quiet", root, clone]);
const figures = {
  cores: cpus().length,
  node: process.version,
  install_s: seconds("npm", "ci"),
  demo_s: seconds("npm", "run", "demo"),
};
rmSync(scratch, { recursive: true, force: true });
if (process.argv.includes("--json")) console.log(JSON.stringify(figures, null, 2));
else console.table([figures]);
