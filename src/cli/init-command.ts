import { stat, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileFault, KernelcastError } from "../domain/index.ts";
import { makeTaskFiles, taskIdOf, type InitDetails, type InitFiles } from "../formats/init-task.ts";
import { planInit, type InitAnswers, type InitPlan, type InitQuestion } from "../formats/init-task-plan.ts";
import { readText } from "../formats/read-text.ts";
import { makeFolder } from "../store/make-folder.ts";
import { note, printJson, printLine, type CliContext } from "./context.ts";
import { toAnswers, withAnswer, type AnswerFlags } from "./init-answers.ts";
import { askOnTerminal, type Asker } from "./init-prompts.ts";
import { checkSeed, type SeedCheck } from "./init-seed.ts";

export interface InitFlags extends AnswerFlags {
  readonly reference?: string;
  readonly id?: string;
  readonly out?: string;
  readonly title?: string;
  readonly family?: string;
  readonly description?: string;
  readonly flops?: string;
  readonly bytesMin?: string;
  readonly tolerance?: string;
  readonly precision: readonly string[];
  readonly device?: string;
  readonly python?: string;
  readonly force: boolean;
  readonly json: boolean;
}

type CompletePlan = Extract<InitPlan, { complete: true }>;

/** `kernelcast init`. */
export async function init(this: CliContext, flags: InitFlags, path: string): Promise<void> {
  const source = await readText(path, { what: "kernel", from: this.process.cwd() });
  const folder = resolve(this.process.cwd(), flags.out ?? join("tasks", flags.id ?? taskIdOf(path)));
  const details = await toDetails(this, flags, folder);
  await refuseExisting(folder, flags.force);
  const planned = await complete(
    source,
    path,
    toAnswers(flags),
    this.interactive && !flags.json ? askOnTerminal : undefined,
    (line) => note(this, line),
  );
  const made = makeTaskFiles(source, planned.plan, { ...details, draws: planned.answers.draws });
  await writeFiles(folder, made);
  for (const line of made.notes) note(this, `assumed: ${line}`);
  const seed = await checkSeed(this, made, flags);
  report(this, flags.json, folder, made, seed);
  if (made.incomplete || (seed && !seed.ok)) this.process.exitCode = 1;
}

/** Asks until nothing is open. Without a person to ask, throws `KernelcastError("usage", …)` that lists the flags. */
export async function complete(
  source: string,
  path: string,
  given: InitAnswers,
  ask: Asker | undefined,
  tell: (line: string) => void = () => undefined,
): Promise<{ readonly plan: CompletePlan; readonly answers: InitAnswers }> {
  let answers = given;
  for (;;) {
    const plan = planInit(source, path, answers);
    if (plan.complete) return ask ? confirmRoles(source, path, answers, plan, ask) : { plan, answers };
    if (!ask) throw new KernelcastError("usage", `${path}: not said: ${missing(plan.questions)}`);
    const [question] = plan.questions;
    if (question) answers = accepted(source, path, answers, withAnswer(answers, question, await ask(question)), tell);
  }
}

/** The answers with the new one, or without it when it is wrong: then it is asked again, and nothing else is lost. */
function accepted(
  source: string,
  path: string,
  before: InitAnswers,
  after: InitAnswers,
  tell: (line: string) => void,
): InitAnswers {
  try {
    planInit(source, path, after);
    return after;
  } catch (error) {
    if (!KernelcastError.isInstance(error) || error.code !== "usage") throw error;
    tell(error.message);
    return before;
  }
}

function missing(questions: readonly InitQuestion[]): string {
  return questions.map(({ message, flag }) => `${message} (${flag})`).join("; ");
}

/** What is written may be an output, both, or a buffer between launches: only a person knows. */
async function confirmRoles(
  source: string,
  path: string,
  given: InitAnswers,
  plan: CompletePlan,
  ask: Asker,
): ReturnType<typeof complete> {
  let answers = given;
  for (const { name, role } of plan.args) {
    if (role !== "out" || given.roles[name] !== undefined) continue;
    const choices = ["out", "inout", "scratch"];
    const said = await ask({ message: `${name} is written; it is`, suggestion: "out", choices });
    answers = { ...answers, roles: { ...answers.roles, [name]: said } };
  }
  const confirmed = planInit(source, path, answers);
  return { plan: confirmed.complete ? confirmed : plan, answers };
}

async function toDetails(context: CliContext, flags: InitFlags, folder: string): Promise<Omit<InitDetails, "draws">> {
  const taskId = folder.replace(/^.*[/\\]/, "");
  if (flags.id !== undefined && flags.id !== taskId) {
    throw new KernelcastError("usage", `--id ${flags.id}: the folder must be named like the task, but is ${taskId}`);
  }
  const flag = flags.id === undefined ? "out" : "id";
  checkWords(flag, taskId);
  if (flags.family !== undefined) checkWords("family", flags.family);
  const { title, family, description, flops, bytesMin, tolerance, precision } = flags;
  const given = { title, family, description, flops, bytesMin, tolerance };
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return {
    taskId,
    ...present,
    ...(precision.length > 0 ? { precisions: precision } : {}),
    ...(flags.reference === undefined
      ? {}
      : { reference: await readText(flags.reference, { what: "reference", from: context.process.cwd() }) }),
  };
}

function checkWords(flag: string, text: string): void {
  if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(text)) return;
  throw new KernelcastError("usage", `--${flag}: "${text}" must be lower-case words and digits joined by "-"`);
}

async function refuseExisting(folder: string, force: boolean): Promise<void> {
  const exists = await stat(join(folder, "task.yaml")).then(
    () => true,
    () => false,
  );
  if (exists && !force)
    throw new KernelcastError("usage", `${folder} holds a task already; --force replaces its files`);
}

async function writeFiles(folder: string, { files }: InitFiles): Promise<void> {
  try {
    makeFolder(folder);
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  } catch (cause) {
    throw new KernelcastError("task", `cannot write the task to ${folder}: ${fileFault(cause)}; choose another --out`, {
      cause,
    });
  }
}

function report(
  context: CliContext,
  json: boolean,
  folder: string,
  made: InitFiles,
  seed: SeedCheck | undefined,
): void {
  const todo = made.incomplete
    ? [`write reference() in ${join(folder, "reference.py")} and delete its first line`]
    : [];
  if (json) {
    const { taskId } = made.task;
    printJson(context, {
      task_id: taskId,
      folder,
      complete: !made.incomplete,
      todo,
      assumed: made.notes,
      seed: seed ?? null,
    });
    return;
  }
  printLine(context, `wrote ${folder}`);
  if (seed) printLine(context, seed.text);
  for (const line of todo) printLine(context, `to do: ${line}`);
}
