import { keyedShuffle } from "../domain/index.ts";
import type { Example } from "./static-dataset.ts";

/** A task with the family that it is of. */
export interface FamilyTask {
  readonly taskId: string;
  readonly family: string;
}

/**
 * At most so many tasks, as whole families drawn at random: those that still fit, in a drawn order, so that a larger
 * number of one seed mostly holds a smaller one's. Training needs two families: fewer are not drawn even if more tasks come of it.
 */
export function drawFamilies<T extends FamilyTask>(tasks: readonly T[], most: number, seed: number): T[] {
  const families = keyedShuffle([...new Set(tasks.map(({ family }) => family))], "learning-curve families", seed);
  const chosen = new Set<string>();
  let count = 0;
  for (const family of families) {
    const size = tasks.filter((task) => task.family === family).length;
    if (count + size > most) continue;
    chosen.add(family);
    count += size;
  }
  for (const family of families) if (chosen.size < 2) chosen.add(family);
  return tasks.filter(({ family }) => chosen.has(family));
}

/** A share of each task's kernels, the seed kernel among them, weighing as much together as all did. */
export function drawKernels(examples: readonly Example[], share: number, seed: number): Example[] {
  if (share >= 1) return [...examples];
  return [...new Set(examples.map(({ taskId }) => taskId))].flatMap((taskId) => {
    const own = examples.filter((example) => example.taskId === taskId);
    const ids = [...new Set(own.map(({ kernelId }) => kernelId))];
    const seedId = own[0]?.seed.kernelId ?? "";
    const others = ids.filter((id) => id !== seedId);
    const kept = new Set(
      keyedShuffle(others, "learning-curve kernels", seed, taskId).slice(0, Math.ceil(share * others.length)),
    );
    kept.add(seedId);
    const scale = ids.length / kept.size;
    return own
      .filter(({ kernelId }) => kept.has(kernelId))
      .map((example) => ({
        ...example,
        weight: example.weight * scale,
        others: example.others.filter(({ kernelId }) => kept.has(kernelId)),
      }));
  });
}
