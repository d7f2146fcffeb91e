/**
 * `npm run train:example`: everything from a bare clone to the adapter of examples/train/rl-crps.yaml, on this machine's GPU: model, data,
 * supervised training, reinforcement, export. What is there is kept, and training goes on from its latest checkpoint, so that it can be given again.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { testModelFile } from "../test-model/place.ts";

const data = "training-data/lists";
const asked = ["--asked", "form=quantiles&list=2&anchors=2", "--draws", "2", "--spread", "0.2-1.6"];

const steps: readonly { readonly isDone?: boolean; readonly words: readonly string[] }[] = [
  { isDone: existsSync(testModelFile()), words: ["npm", "run", "fetch:test-model"] },
  { words: ["npm", "run", "--silent", "build"] },
  {
    isDone: existsSync(`${data}/meta.json`),
    words: kernelcast("data", "--recording", "atlas", ...asked, "--out", data),
  },
  { words: kernelcast("sft", "--config", "examples/train/sft.yaml") },
  { words: kernelcast("rl", "--config", "examples/train/rl-crps.yaml") },
];

for (const { isDone = false, words } of steps) {
  if (isDone) continue;
  console.error(`> ${words.join(" ")}`);
  const [program = "", ...rest] = words;
  const { status } = spawnSync(program, rest, { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

function kernelcast(...words: readonly string[]): string[] {
  return [process.execPath, "bin/kernelcast.js", "train", ...words];
}
