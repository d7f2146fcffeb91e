import type { Expression, Launch } from "../../domain/index.ts";
import type { TunedSpace } from "./tuned-space.ts";

const axes = ["x", "y", "z"] as const;

/** Threads of a block along x where no parameter tells. */
const defaultThreads = 256;

/**
 * The launch that Kernel Tuner makes when its user says nothing else: blocks of `block_size_x`, `_y`, `_z`, in any case, and a
 * grid of the problem size over the block. Its files do not tell what a user said.
 */
export function defaultLaunch(
  kernel: string,
  { parameters, problemSize }: TunedSpace,
  notes: Set<string>,
  taskId: string,
): Launch {
  const names = axes.map((axis) => Object.keys(parameters).find((name) => name.toLowerCase() === `block_size_${axis}`));
  const [x, y, z] = names.map((name, index) => name ?? (index === 0 ? defaultThreads : 1));
  const gridAlong = (index: number): Expression => {
    if (problemSize?.[index] === undefined) return 1;
    const name = names[index];
    const size = `problem_size_${axes[index]}`;
    return name === undefined ? size : `ceil_div(${size}, ${name})`;
  };
  const guess = problemSize
    ? "its grid is the problem size over the block, which is what Kernel Tuner does unless told otherwise"
    : "its grid is not known and stands as 1";
  notes.add(`${taskId}: the files do not tell how it is launched; ${guess} (--launches FILE says otherwise)`);
  return {
    kernel,
    grid: [gridAlong(0), gridAlong(1), gridAlong(2)],
    block: [x as Expression, y as Expression, z as Expression],
    smemBytes: 0,
    args: [],
  };
}
