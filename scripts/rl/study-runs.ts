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

/**
 * The second attempt: eleven times as many kernels seen, most in lists of eight, by four GPUs that share each step; three quarters of the
 * families, and widths no narrower than what the first attempt's reinforcement came to like.
 */
const longer = {
  data: "../../training-data/mixed-lists",
  processes: 4,
  steps: 800,
  rows_per_pass: 2,
  warmup_steps: 20,
  families: { folds: 4, take: [0, 1, 2] },
  model: { max_prompt_tokens: 12_288, lora: { rank: 12, alpha: 24 } },
  judge: { every: 200, prompts: 64, batch: 64, max_new_tokens: 512 },
};
const untaughtQuarter = { families: { folds: 4, take: [3] } };

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

export const studyRuns: readonly StudyRun[] = [
  run("untrained", "none", "sft"),
  run("untrained-bins", "none", "proper-crps"),
  ...seeds.map((seed) => run(`sft-${seed}`, "sft", "sft", { seed })),
  ...seeds.map((seed) => run(`sft-all-${seed}`, "sft", "sft", { seed, changes: everyFamily })),
  run("sft-fixed-1", "sft", "sft", { changes: { ...everyFamily, data: "../../training-data/lists-fixed" } }),
  run("proper-crps-1", "sft", "proper-crps"),
  ...seeds.map((seed) => run(`rl-crps-${seed}`, "rl", "rl-crps", { seed, from: [`sft-${seed}`] })),
  run("rl-correctness-1", "rl", "rl-crps", { from: ["sft-1"], changes: { rl: { reward: "correctness" } } }),
  run("rl-correctness-crps-1", "rl", "rl-crps", { from: ["sft-1"], changes: { rl: { reward: "correctness+crps" } } }),
  run("rl-log-1", "rl", "rl-crps", { from: ["sft-1"], changes: { rl: { reward: "log" } } }),
  run("rl-crps-taught-1", "rl", "rl-crps", { from: ["sft-1"], changes: { families: { folds: 3, take: [0, 1] } } }),
  run("rl-crps-all-1", "rl", "rl-crps", { from: ["sft-all-1"], changes: everyFamily }),
  run("sft-longer-1", "sft", "sft", { changes: longer }),
  ...seeds.map((seed) =>
    run(`rl-crps-longer-${seed}`, "rl", "rl-crps", { seed, from: ["sft-longer-1"], changes: untaughtQuarter }),
  ),
  run("rl-correctness-longer-1", "rl", "rl-crps", {
    from: ["sft-longer-1"],
    changes: { ...untaughtQuarter, rl: { reward: "correctness" } },
  }),
];
