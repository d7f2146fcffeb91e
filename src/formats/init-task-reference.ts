import type { PlannedArgument } from "./init-task-plan.ts";

/** First words of the line that keeps a task from being used until its reference is written. */
export const incompleteMark = "# kernelcast: incomplete";

/** A `reference.py` to be completed by hand: what comes in, what must come out, and how exactly. */
export function referenceTemplate(args: readonly PlannedArgument[], sizes: Readonly<Record<string, number>>): string {
  const read = args.filter(({ role }) => role === "in" || role === "inout");
  const written = args.filter(({ role }) => role === "out" || role === "inout");
  const answer = written.map(({ name, shape }) => `"${name}": ...,  # shape (${shape.join(", ")},)`);
  return [
    `${incompleteMark}: write reference() and delete this line`,
    "import numpy as np",
    "",
    "",
    "def reference(inputs, sizes):",
    '    """What the kernel computes, exactly: the truth that every kernel of this task is checked against."""',
    `    # sizes: ${JSON.stringify(sizes)}`,
    ...read.map(
      ({ name, shape }) =>
        `    ${name} = inputs["${name}"]  # NumPy array of shape (${shape.join(", ")},), float64 or int64`,
    ),
    "    # Compute in float64 (or exactly, for integers), with NumPy calls on whole arrays: it must take a few seconds at most.",
    "    return {",
    ...answer.map((line) => `        ${line}`),
    "    }",
    "",
  ].join("\n");
}
