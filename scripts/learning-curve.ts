/**
 * `npm run results:learning-curve [-- --recording atlas --sizes 5,10,20,30,all --shares 0.25,0.5 --seeds 1,2 --judge a,b]`: trains
 * `static` on whole families drawn at random, and on a share of every task's kernels, scores each model on validation and test, and
 * writes docs/results/learning-curves.jsonl, which `npm run results:ablations` shows. Kernels are read once. Models and answers
 * are kept in .tmp/learning-curve: a run that was stopped goes on. `--train a,b` and `--judge a,b` name a few tasks instead.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { KernelcastError, mainDevice, sha256Hex, type Recording } from "../src/domain/index.ts";
import type { JudgedAnswers } from "../src/evaluate/judge-forecaster.ts";
import { views } from "../src/evaluate/plan-view.ts";
import { scoreNames } from "../src/evaluate/score-task.ts";
import { scoreTasks } from "../src/evaluate/score-tasks.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { drawFamilies, drawKernels, type FamilyTask } from "../src/train/example-subsets.ts";
import { taskExamples, type Example } from "../src/train/static-dataset.ts";
import { trainOnExamples } from "../src/train/train-static.ts";
import { writeCurveLines, type CurveLine } from "./ablations/curve-lines.ts";
import { runInParts, taskPart } from "./in-parts.ts";
import { judgeAll } from "./ablations/judge-all.ts";
import { answerKey, KeptFolder } from "./ablations/kept-folder.ts";
import { usual } from "./ablations/settings.ts";

const { values } = parseArgs({
  options: {
    recording: { type: "string", default: "atlas" },
    sizes: { type: "string", default: "5,10,20,30,all" },
    shares: { type: "string", default: "0.25,0.5" },
    seeds: { type: "string", default: "1,2" },
    train: { type: "string" },
    judge: { type: "string" },
    jobs: { type: "string", default: "2" },
    part: { type: "string" },
    work: { type: "string", default: ".tmp/learning-curve" },
    out: { type: "string", default: "docs/results/learning-curves.jsonl" },
  },
});

/** One model to be trained. */
interface Plan {
  readonly wanted: number;
  readonly share: number;
  readonly seed: number;
}

interface Trained extends Plan {
  readonly path: string;
  readonly tasks: number;
  readonly families: number;
  readonly kernels: number;
}

const judgeSeed = 1;
const recording = await loadRecording(values.recording);
const device = recording.deviceInfos?.get(mainDevice(recording) ?? "");
if (!device) throw new KernelcastError("recording", `${recording.name}: nothing is known of its device`);
const trainTasks = tasksOf("train", values.train);
const plans = planModels(trainTasks.length);
const kept = await KeptFolder.open(values.work, values.recording);
const trained = await trainAll(plans);
await judgeEvery(trained);

function tasksOf(split: string, named: string | undefined): FamilyTask[] {
  const names = named?.split(",");
  return [...recording.tasks.values()]
    .filter((one) => (names ? names.includes(one.task.taskId) : (one.split ?? one.task.split) === split))
    .map(({ task }) => ({ taskId: task.taskId, family: task.family }));
}

/** All tasks and kernels need one draw, since nothing is drawn. */
function planModels(all: number): Plan[] {
  const seeds = values.seeds.split(",").map(Number);
  const sizes = values.sizes.split(",").map((size) => (size === "all" ? all : Math.min(all, Number(size))));
  const bySize = [...new Set(sizes)].flatMap((wanted) =>
    seeds.slice(0, wanted === all ? 1 : seeds.length).map((seed): Plan => ({ wanted, share: 1, seed })),
  );
  const shares = values.shares
    .split(",")
    .filter((share) => share !== "")
    .map(Number);
  return [...bySize, ...shares.flatMap((share) => seeds.map((seed): Plan => ({ wanted: all, share, seed })))];
}

/** Trains what is not yet there; kernels are read only where a model is missing, and each once. */
async function trainAll(wanted: readonly Plan[]): Promise<Trained[]> {
  const read = new Map<string, Example[]>();
  const examplesOf = ({ taskId }: FamilyTask): Example[] => {
    const known = read.get(taskId);
    if (known) return known;
    console.error(`reading ${taskId} (${read.size + 1} of ${trainTasks.length})`);
    const examples = taskExamples(recording, taskId, device!);
    read.set(taskId, examples);
    return examples;
  };
  await mkdir(kept.folder, { recursive: true });
  const models: Trained[] = [];
  for (const [place, plan] of wanted.entries()) {
    const tasks = drawFamilies(trainTasks, plan.wanted, plan.seed);
    const identity = JSON.stringify([plan, tasks.map(({ taskId }) => taskId)]);
    const path = `${kept.folder}/static-${plan.wanted}-${plan.share}-${plan.seed}-${sha256Hex(identity).slice(0, 8)}.json`;
    const families = new Set(tasks.map(({ family }) => family)).size;
    let text = await readFile(path, "utf8").catch(() => undefined);
    if (text === undefined) {
      const what = `${tasks.length} tasks of ${families} families, share ${plan.share}, seed ${plan.seed}`;
      const started = performance.now();
      const examples = drawKernels(tasks.flatMap(examplesOf), plan.share, plan.seed);
      text = JSON.stringify(trainOnExamples(examples, recording, { device: device! }).model);
      await writeFile(path, text);
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      console.error(`model ${place + 1} of ${wanted.length}: ${what}: ${seconds} s`);
    }
    const { kernels } = (JSON.parse(text) as { trainedOn: { kernels: number } }).trainedOn;
    models.push({ ...plan, path, tasks: tasks.length, families, kernels });
  }
  return models;
}

async function judgeEvery(models: readonly Trained[]): Promise<void> {
  const judged = [...tasksOf("validation", values.judge), ...(values.judge ? [] : tasksOf("test", undefined))];
  const settings = views.map((view) => usual(device!.name, view));
  const forecasters = models.map(({ path }) => `static:${path}`);
  const taskIds = judged.map(({ taskId }) => taskId);
  if (values.part === undefined && Number(values.jobs) > 1) await runInParts(Number(values.jobs));
  const answers = await KeptFolder.open(values.work, values.recording);
  const mine = values.part === undefined ? taskIds : taskPart(taskIds, values.part);
  await judgeAll({ recording, forecasters, taskIds: mine, settings, seed: judgeSeed, kept: answers });
  if (values.part !== undefined) return;
  const lines: CurveLine[] = [];
  for (const model of models) lines.push(...(await scoreModel(model, taskIds, answers)));
  await writeCurveLines(values.out, lines);
  console.error(`wrote ${values.out}: ${lines.length} lines`);
}

async function scoreModel(
  { path, ...model }: Trained,
  taskIds: readonly string[],
  answers: KeptFolder,
): Promise<CurveLine[]> {
  const lines: CurveLine[] = [];
  for (const view of views) {
    for (const split of ["validation", "test"]) {
      const own: JudgedAnswers[] = [];
      for (const taskId of taskIds.filter((one) => splitOf(recording, one) === split)) {
        const one = answers.get(await answerKey(`static:${path}`, taskId, usual(device!.name, view), judgeSeed));
        if (one) own.push(one);
      }
      if (own.length === 0) continue;
      const { scores } = scoreTasks(own, judgeSeed);
      const means = Object.fromEntries(scoreNames.map((name) => [name, rounded(scores[name].mean)]));
      lines.push({ forecaster: "static", ...model, split, view, scores: means });
    }
  }
  return lines;
}

function splitOf({ tasks }: Recording, taskId: string): string | undefined {
  const recorded = tasks.get(taskId);
  return recorded?.split ?? recorded?.task.split;
}

function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(4));
}
