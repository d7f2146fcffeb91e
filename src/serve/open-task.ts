import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { KernelcastError, suggestion, type Recording, type Task } from "../domain/index.ts";
import { loadTask } from "../formats/load-task.ts";
import { packagePath } from "./package-paths.ts";

/**
 * The task that a user names: the id of a task of the recording in use, a folder with a `task.yaml`, or the id of a task
 * that the package ships. Throws `KernelcastError("task", …)`.
 */
export async function openTask(name: string, recording?: Recording): Promise<Task> {
  const recorded = recording?.tasks.get(name)?.task;
  const folder = taskFolder(name);
  const shipped = folder === undefined ? undefined : await loadTask(folder);
  if (recorded) return isSameSeed(shipped, recorded) ? shipped : recorded;
  if (shipped) return shipped;
  requireTask(name);
  const known = recording ? [...recording.tasks.keys()] : shippedTasks();
  throw new KernelcastError(
    "task",
    `no task "${name}": give a folder with a task.yaml, or one of ${known.join(", ")}${suggestion(name, known)}`,
  );
}

/** Whether a task by its id is the recorded one of that id; a recording may mean another task by it. */
function isSameSeed(shipped: Task | undefined, recorded: Task): shipped is Task {
  return shipped?.seedKernel.kernelId === recorded.seedKernel.kernelId;
}

/** The id that a task has in recordings: of a folder with a `task.yaml` its name, else the text itself. */
export function taskIdOf(name: string): string {
  return taskFolder(name) === undefined ? name : basename(resolve(name));
}

/** Throws `KernelcastError("task", …)` when a path is given that holds no task; an id may yet be a recording's. */
export function requireTask(name: string): void {
  if (taskFolder(name) !== undefined || !isPath(name)) return;
  const fault = existsSync(name) ? "there is no task.yaml in it" : "no such folder";
  throw new KernelcastError("task", `${name}: ${fault}; give a task's folder (kernelcast init makes one), or its id`);
}

function isPath(name: string): boolean {
  return /[/\\]/.test(name) || name === "." || name === "..";
}

function taskFolder(name: string): string | undefined {
  const places = [name, join(packagePath("tasks"), name), packagePath(name)];
  return places.find((path) => existsSync(join(path, "task.yaml")));
}

function shippedTasks(): readonly string[] {
  const folder = packagePath("tasks");
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}
