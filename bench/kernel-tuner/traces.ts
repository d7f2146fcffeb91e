import { existsSync, readFileSync } from "node:fs";
import { z } from "zod";

const traceSchema = z.object({
  space: z.string(),
  strategy: z.string(),
  seed: z.int(),
  limit: z.int(),
  tried: z.array(z.int().nonnegative()),
  /** Processor time that it took to decide. */
  seconds: z.number(),
  fault: z.string().optional(),
  kernel_tuner: z.string().optional(),
});

/** One run of one arm over one space: what it tried, in order. Those of Kernel Tuner's strategies name its version. */
export type Trace = z.infer<typeof traceSchema>;

/** The traces of a file of JSON Lines; none where there is no such file. */
export function readTraces(path: string): Trace[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => traceSchema.parse(JSON.parse(line)));
}

/** Tells runs apart. */
export function traceKey({
  space,
  strategy,
  seed,
  limit,
}: Pick<Trace, "space" | "strategy" | "seed" | "limit">): string {
  return JSON.stringify([space, strategy, seed, limit]);
}
