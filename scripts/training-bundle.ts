/**
 * `npx tsx scripts/training-bundle.ts --out FOLDER CONFIG.yaml …`: packs what training runs need to be carried to another machine in parts of 31 MiB: the model
 * (`model/`), and data, earlier adapters and checkpoints (`work/`), with the trainer's package and `run.sh`. There:
 * `bash FOLDER/run.sh rl NAME` joins what came, and starts or goes on with the run of that name.
 */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { KernelcastError } from "../src/domain/index.ts";
import { withPaths, type TrainingConfig } from "../src/train/language-model/config.ts";
import { loadTrainingConfig } from "../src/train/language-model/load-config.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: "training-bundle" }, python: { type: "string", default: "python3" } },
});
const python = fileURLToPath(new URL("../python/", import.meta.url));
/** By the path of the file alone, so that PyTorch need not be there. */
const splitter = `
import pathlib, runpy, sys
parts = runpy.run_path(${JSON.stringify(join(python, "kernelcast_train", "lm", "parts.py"))}, run_name="parts")
parts["split"](pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
`;

const out = resolve(values.out);
const configs = await Promise.all(positionals.map((file) => loadTrainingConfig(file, process.cwd(), false)));
const [base, ...others] = [...new Set(configs.map(({ model }) => model.base))];
if (base === undefined || others.length > 0) {
  throw new KernelcastError("usage", "name configurations that start from one and the same model");
}
const stage = mkdtempSync(join(tmpdir(), "kernelcast-bundle-"));
try {
  mkdirSync(join(stage, "configs"));
  cpSync(join(python, "kernelcast_train"), join(stage, "kernelcast_train"), { recursive: true });
  for (const config of configs) packRun(config);
  mkdirSync(out, { recursive: true });
  const archive = join(stage, "..", `${basename(stage)}.tar.gz`);
  execFileSync("tar", ["-czf", archive, "--exclude=__pycache__", "-C", stage, "."]);
  split(archive, "work");
  rmSync(archive);
  if (!existsSync(join(out, "model", "parts.json"))) split(base, "model");
  cpSync(join(python, "kernelcast_train", "lm", "parts.py"), join(out, "parts.py"));
  writeFileSync(join(out, "run.sh"), runScript(basename(base)));
} finally {
  rmSync(stage, { recursive: true });
}
console.log(`${out}: ${configs.map(nameOf).join(", ")}`);

function nameOf({ name, out: folder }: TrainingConfig): string {
  return typeof name === "string" ? name : basename(folder);
}

/** Paths are made those of the bundle; of earlier runs the adapter goes along, of this one what is needed to go on. */
function packRun(config: TrainingConfig): void {
  const name = nameOf(config);
  const moved = withPaths(config, (path) => {
    if (path === config.model.base) return basename(path);
    const kind = path === config.data ? "data" : "runs";
    return join(kind, basename(path));
  });
  writeFileSync(join(stage, "configs", `${name}.json`), `${JSON.stringify(moved, null, 1)}\n`);
  copy(config.data, moved.data);
  for (const [index, adapter] of (config.model.adapters ?? []).entries()) {
    const target = moved.model.adapters?.[index] ?? "";
    if (existsSync(join(adapter, "adapter"))) copy(join(adapter, "adapter"), join(target, "adapter"));
    else if (existsSync(adapter)) copy(adapter, target);
  }
  if (existsSync(config.out)) copy(config.out, moved.out);
}

function copy(from: string, to: string): void {
  cpSync(from, join(stage, to), {
    recursive: true,
    filter: (path) => !/\.(gguf|safetensors\.index)$|\/merged\//.test(path),
  });
}

function split(file: string, folder: string): void {
  rmSync(join(out, folder), { recursive: true, force: true });
  execFileSync(values.python, ["-c", splitter, file, join(out, folder)], {
    env: { ...process.env, PYTHONPATH: python },
  });
}

function runScript(model: string): string {
  return `#!/usr/bin/env bash
# run.sh sft|rl|eval|export NAME: joins what came, in $WORK (default /tmp/kernelcast-training), and runs one configuration there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=\${WORK:-/tmp/kernelcast-training}
mkdir -p "$work"
cd "$work"
join() { python3 -c 'import pathlib, runpy, sys; runpy.run_path(sys.argv[1], run_name="parts")["join"](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))' "$here/parts.py" "$@"; }
if [ ! -e work.tar.gz ]; then join "$here/work" work.tar.gz; tar -xzf work.tar.gz; fi
if [ ! -e '${model}' ]; then join "$here/model" '${model}'; fi
exec python3 -m kernelcast_train.lm "$1" < "configs/$2.json"
`;
}
