/**
 * `npm run study:rl-data [-- --out training-data]`: writes the data that the runs of the studies of reinforcement learning learn from and are
 * judged by, from the atlas, as `kernelcast train data` does; some minutes.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { exportTrainingData, type TrainingDataRequest } from "../../src/serve/train/export-training-data.ts";

type Asked = Pick<TrainingDataRequest, "asked"> & Partial<TrainingDataRequest>;

const { values } = parseArgs({ options: { out: { type: "string", default: "training-data" } } });

const lists = "form=quantiles&list=2&anchors=2";
const doublings = "form=doublings&list=2&anchors=2";
const bins = "form=bins-logprobs&anchors=2";
const sample = { perTask: 50 };
const within = { view: "search" } as const;
/** Those that a frontier model has forecast whole, too. */
const poolTasks = [
  "attention-f16",
  "batched-fft-c32",
  "crc32-blocks-u8",
  "decode-attention-f16",
  "dequant-gemv-i4",
  "fir-filter-f32",
];

const folders: Readonly<Record<string, Asked>> = {
  lists: { asked: lists, draws: 2, spread: { low: 0.2, high: 1.6 } },
  bins: { asked: bins },
  "eval-lists": { asked: lists, ...sample },
  "eval-bins": { asked: bins, ...sample },
  "pools-lists": { asked: lists, tasks: poolTasks },
  doublings: { asked: doublings, draws: 2, spread: { low: 0.15, high: 1.6 } },
  "doublings-mixed": { asked: doublings, draws: 2, lists: [4, 2], spread: { low: 0.15, high: 1.6 } },
  "eval-doublings": { asked: doublings, ...sample },
  "pools-doublings": { asked: doublings, tasks: poolTasks },
  "search-lists": { asked: lists, draws: 2, spread: { low: 0.05, high: 1.2 }, ...within },
  "search-bins": { asked: bins, ...within },
  "eval-search-lists": { asked: lists, ...sample, ...within },
  "eval-search-bins": { asked: bins, ...sample, ...within },
};

for (const [name, own] of Object.entries(folders)) {
  const counts = await exportTrainingData({
    recording: "atlas",
    view: "start",
    evidence: true,
    contextTokens: 16_384,
    spread: { low: 0.5, high: 0.5 },
    draws: 1,
    seed: 1,
    cwd: process.cwd(),
    out: join(values.out, name),
    ...own,
  });
  console.log(`${name}: ${counts.map(({ split, examples }) => `${examples} ${split}`).join(", ")}`);
}
