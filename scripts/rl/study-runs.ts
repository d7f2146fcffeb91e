/** The runs of the study of docs/results/rl.md, as changes to the examples of `examples/train`. */

/** A run: the example that it is a change of, its seed, the runs that it goes on from, and its other settings. */
export interface StudyRun {
  readonly name: string;
  readonly command: "sft" | "rl" | "none";
  readonly example: "sft" | "rl-crps" | "proper-crps";
  readonly seed: number;
  readonly from: readonly string[];
  readonly changes: Readonly<Record<string, unknown>>;
}

/** The second study: within a search, where the times of other kernels are told, so that there is something to go by. */
const withinSearch = {
  data: "../../training-data/search-lists",
  steps: 240,
  families: { folds: 3, take: [0, 1] },
};
const withinSearchUntaught = { ...withinSearch, families: { folds: 3, take: [2] }, steps: 36, rows_per_pass: 32 };

const everyFamily = { families: { folds: 1, take: [0] } };
const seeds = [1, 2, 3] as const;

function run(
  name: string,
  command: StudyRun["command"],
  example: StudyRun["example"],
  more: Partial<Pick<StudyRun, "seed" | "from" | "changes">> = {},
): StudyRun {
  return { name, command, example, seed: 1, from: [], changes: {}, ...more };
}

/** Those of docs/results/rl.md. `rl-crps` is the example as it stands, from the run of examples/train/sft.yaml. */
export const studyRuns: readonly StudyRun[] = [
  run("untrained", "none", "sft"),
  run("untrained-bins", "none", "proper-crps"),
  ...seeds.map((seed) => run(`sft-${seed}`, "sft", "sft", { seed })),
  run("sft-all-1", "sft", "sft", { changes: everyFamily }),
  run("proper-crps-1", "sft", "proper-crps"),
  ...seeds.map((seed) => run(`rl-crps-${seed}`, "rl", "rl-crps", { seed, from: [`sft-${seed}`] })),
  run("rl-correctness-1", "rl", "rl-crps", { from: ["sft-1"], changes: { rl: { reward: "correctness" } } }),
  run("rl-crps", "rl", "rl-crps", { from: ["sft"] }),
  // Its exported adapter: `kernelcast train export` by rl-crps-export-rank5.json makes it.
  run("rl-crps-rank5", "none", "rl-crps", { from: ["rl-crps/rl-crps-adapter"] }),
];

/** Those of docs/results/rl-search.md. */
export const searchStudyRuns: readonly StudyRun[] = [
  run("search-untrained", "none", "sft", { changes: withinSearch }),
  ...seeds.map((seed) => run(`search-sft-${seed}`, "sft", "sft", { seed, changes: withinSearch })),
  run("search-sft-all-1", "sft", "sft", { changes: { ...withinSearch, ...everyFamily } }),
  run("search-proper-crps-1", "sft", "proper-crps", {
    changes: { data: "../../training-data/search-bins", steps: 240 },
  }),
  ...seeds.map((seed) =>
    run(`search-rl-crps-${seed}`, "rl", "rl-crps", {
      seed,
      from: [`search-sft-${seed}`],
      changes: withinSearchUntaught,
    }),
  ),
  run("search-rl-correctness-1", "rl", "rl-crps", {
    from: ["search-sft-1"],
    changes: { ...withinSearchUntaught, rl: { reward: "correctness" } },
  }),
];

/**
 * The third study: times told relative to a measured kernel's, in log2 units, so that nothing must be multiplied; and three times as much supervised
 * training on lists of two and four.
 */
const inDoublings = { data: "../../training-data/doublings" };
const reinforcedLonger = { ...inDoublings, steps: 48, checkpoint_every: 24 };
const taughtLonger = {
  data: "../../training-data/doublings-mixed",
  model: { max_prompt_tokens: 7168 },
  steps: 900,
  checkpoint_every: 150,
  judge: { every: 150, prompts: 128, batch: 64, max_new_tokens: 224 },
};

/** On as many GPUs of one machine; what is drawn is the same on one. */
const together = { processes: 4 };

/** Those of docs/results/rl-doublings.md. All reinforcement is from one supervised run. */
export const doublingsStudyRuns: readonly StudyRun[] = [
  run("doublings-untrained", "none", "sft", { changes: inDoublings }),
  run("doublings-sft-1", "sft", "sft", { changes: { ...taughtLonger, ...together } }),
  run("doublings-proper-1", "sft", "proper-crps", { changes: { steps: 900, checkpoint_every: 150, ...together } }),
  ...seeds.map((seed) =>
    run(`doublings-rl-crps-${seed}`, "rl", "rl-crps", { seed, from: ["doublings-sft-1"], changes: reinforcedLonger }),
  ),
  run("doublings-rl-correctness-1", "rl", "rl-crps", {
    from: ["doublings-sft-1"],
    changes: { ...reinforcedLonger, rl: { reward: "correctness" } },
  }),
];
