/**
 * `npm run results:small-model [-- --jobs 8 --per-task 11 --model gguf:FILE --name NAME --forms quantiles,bins]`: every form of asking, answered by
 * a small model on this machine (see `npm run fetch:test-model`) for the same kernels of split test; writes docs/results/small-model.json and .md.
 * `--on` names what the model ran on, where that is not this machine's processor. Answers are kept in .test-model/answers, so that a run that broke off goes on. Another model is another section of the page.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { mainDevice, type LanguageModelCall } from "../src/domain/index.ts";
import { evaluateForecasters } from "../src/evaluate/evaluate-forecasters.ts";
import { scoreTasks } from "../src/evaluate/score-tasks.ts";
import { formNames, type FormName } from "../src/forecast/llm/form.ts";
import { createLlmForecaster } from "../src/forecast/llm/llm-forecaster.ts";
import { loadRecording } from "../src/formats/load-recording.ts";
import { createLanguageModels } from "../src/language-model/index.ts";
import { recordedDeviceInfo } from "../src/measure/recorded-device-figures.ts";
import { openForecaster } from "../src/serve/open-forecaster.ts";
import { sanitisedForecaster } from "../src/serve/sanitised-forecaster.ts";
import { openAnswerStore } from "../src/store/sqlite-run-store.ts";
import { askInLanes, tally, type CallTally } from "./small-model/ask-in-lanes.ts";
import { page, type FormResult, type ModelResult, type SmallModelDocument } from "./small-model/page.ts";
import { tasksOfSplit } from "./tasks-of-split.ts";
import { testModelFile, testModelFolder } from "./test-model/place.ts";

const { values } = parseArgs({
  options: {
    model: { type: "string", default: `gguf:${testModelFile()}` },
    name: { type: "string", default: "Qwen2.5-Coder-0.5B-Instruct, Q4_K_M" },
    forms: { type: "string", default: formNames.join(",") },
    beside: { type: "string", default: "static,baseline:length,baseline:constant" },
    recording: { type: "string", default: "atlas" },
    jobs: { type: "string", default: String(Math.max(1, Math.floor(availableParallelism() / 2))) },
    "per-task": { type: "string", default: "11" },
    tasks: { type: "string", default: "" },
    list: { type: "string", default: "8" },
    samples: { type: "string", default: "4" },
    on: {
      type: "string",
      default: `${availableParallelism()} threads of ${cpus()[0]?.model ?? "an unknown processor"}`,
    },
    seed: { type: "string", default: "1" },
    answers: { type: "string", default: join(testModelFolder, "answers") },
    out: { type: "string", default: "docs/results/small-model" },
  },
});

const [seed, jobs, perTask] = [Number(values.seed), Number(values.jobs), Number(values["per-task"])];
/** Room for line ends and long numbers; a model held to a schema does not think. */
const spareTokens = 256;

const recording = await loadRecording(values.recording);
const device = recordedDeviceInfo(recording, mainDevice(recording) ?? "");
const named = values.tasks.split(",").filter((one) => one !== "");
const taskIds = named.length > 0 ? named : tasksOfSplit(recording, "test");
const setting = { device, view: "start", evidence: true, perTask, seed } as const;

let listener: (call: LanguageModelCall) => void = () => undefined;
const models = createLanguageModels({
  answers: openAnswerStore(join(values.answers, "answers.sqlite")),
  limits: { concurrency: jobs },
  onCall: (call) => listener(call),
});
const model = await models.open(values.model);
const forms: FormResult[] = [];
for (const form of formNames.filter((one) => values.forms.split(",").includes(one))) {
  forms.push(await judgeForm(form));
  await keep();
}
await model.close?.();

async function judgeForm(form: FormName): Promise<FormResult> {
  const calls: CallTally = { repairs: 0, sent: 0, kept: 0, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
  listener = (call) => tally(calls, call);
  const options = { list: Number(values.list), samples: Number(values.samples), thinkingTokens: spareTokens, seed };
  // Closing the model is for the end, so that the forecaster has no hold on it.
  const lent = { name: model.name, abilities: model.abilities, generate: model.generate.bind(model) };
  const forecaster = sanitisedForecaster(createLlmForecaster(lent, { form, ...options, concurrency: 1 }));
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  const { judged, failures } = await askInLanes(forecaster, recording, { ...setting, taskIds, lanes: jobs });
  const { user, system } = process.cpuUsage(cpu);
  const kernels = judged.reduce((sum, task) => sum + task.judged.length, 0);
  const missing = judged.reduce((sum, task) => sum + task.missing, 0);
  const faults: Record<string, number> = {};
  for (const [kind, count] of judged.flatMap((task) => Object.entries(task.faults ?? {}))) {
    faults[kind] = (faults[kind] ?? 0) + count;
  }
  const [seconds, cpuSeconds] = [(performance.now() - started) / 1000, (user + system) / 1e6];
  const answered = kernels - missing;
  process.stdout.write(
    `${form}: ${answered} of ${kernels} kernels in ${seconds.toFixed(0)} s, ${cpuSeconds.toFixed(0)} s of CPU; ${JSON.stringify({ ...calls, failures, faults })}\n`,
  );
  const { scores } = scoreTasks(judged, seed);
  return { form, tasks: judged.length, kernels, answered, failures, faults, calls, seconds, cpuSeconds, scores };
}

async function keep(): Promise<void> {
  const before = await earlier();
  const result: ModelResult = {
    name: values.name,
    model: values.model.startsWith("gguf:") ? "gguf" : model.name,
    machine: { processor: values.on, jobs },
    list: Number(values.list),
    samples: Number(values.samples),
    forms: inOrder([...(before.find(({ name }) => name === values.name)?.forms ?? []), ...forms]),
  };
  const others = before.filter(({ name }) => name !== values.name);
  const document: SmallModelDocument = {
    command: `npm run results:small-model -- --jobs ${jobs} --per-task ${perTask} --list ${values.list} --samples ${values.samples} --seed ${seed}`,
    recording: values.recording,
    device: device.name,
    tasks: taskIds.length,
    models: [...others, result].sort((a, b) => (a.name < b.name ? -1 : 1)),
    beside: await scoresBeside(),
  };
  await mkdir(dirname(values.out), { recursive: true });
  await writeFile(`${values.out}.json`, `${JSON.stringify(document, null, 1)}\n`);
  await writeFile(`${values.out}.md`, page(document));
}

/** The last result of each form. */
function inOrder(results: readonly FormResult[]): readonly FormResult[] {
  return formNames.flatMap((form) => results.findLast((one) => one.form === form) ?? []);
}

async function earlier(): Promise<readonly ModelResult[]> {
  try {
    return (JSON.parse(await readFile(`${values.out}.json`, "utf8")) as SmallModelDocument).models;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}

async function scoresBeside(): Promise<SmallModelDocument["beside"]> {
  const labels = values.beside.split(",").filter((one) => one !== "");
  const opened = await Promise.all(
    labels.map(async (label) => ({ label, forecaster: await openForecaster(label), isBaseline: false })),
  );
  if (opened.length === 0) return [];
  const { evaluations } = await evaluateForecasters(opened, recording, { ...setting, taskIds });
  return evaluations.map(({ label, scores }) => ({ label, scores: scores.scores }));
}
