import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { KernelcastError, type Recording, type Task } from "../domain/index.ts";
import { loadTask } from "../formats/load-task.ts";
import { packagePath } from "./package-paths.ts";

/**
 * The task that a user names: a folder with a `task.yaml`, the id of a task that the package ships, or the id of a task of
 * the recording in use. Throws `KernelcastError("task", …)`.
 */
export async function openTask(name: string, recording?: Recording): Promise<Task> {
  const folder = [name, join(packagePath("tasks"), name), packagePath(name)].find((path) =>
    existsSync(join(path, "task.yaml")),
  );
  if (folder !== undefined) return loadTask(folder);
  const recorded = recording?.tasks.get(name);
  if (recorded) return recorded.task;
  const known = recording ? [...recording.tasks.keys()] : shippedTasks();
  throw new KernelcastError("task", `no task "${name}": give a folder with a task.yaml, or one of ${known.join(", ")}`);
}

function shippedTasks(): readonly string[] {
  const folder = packagePath("tasks");
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}
