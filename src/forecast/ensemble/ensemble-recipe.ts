import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";

const widthLine = z.object({
  scale: z.number(),
  base: z.number(),
  width: z.number(),
  unlikeness: z.number(),
  gap: z.number(),
  side: z.number(),
});
const logOddsLine = z.object({ slope: z.number(), shift: z.number() });
const steps = z
  .object({ x: z.array(z.number()).min(1), y: z.array(z.number().min(0).max(1)) })
  .refine(({ x, y }) => x.length === y.length && ascending(x) && ascending(y), "x and y must ascend together");

const recipe = z.object({
  curve: z.object({ belief: z.number(), shift: z.number(), low: widthLine, high: widthLine }),
  win: logOddsLine,
  ok: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("line"), slope: z.number(), shift: z.number() }),
    z.object({ kind: z.literal("isotonic"), fit: steps }),
  ]),
});

const schema = z.object({
  format: z.literal("kernelcast-ensemble-1"),
  /** Members in the order of the ensemble's name. */
  members: z
    .array(
      z.object({
        name: z.string(),
        /** Digest of the model file that the recipe was fitted to. */
        modelSha256: z.string(),
        weight: z.number().min(0),
        recipe,
      }),
    )
    .min(1),
  fittedOn: z.object({
    recording: z.string(),
    split: z.string(),
    device: z.string(),
    tasks: z.array(z.string()),
    kernels: z.number(),
    /** Forecasts with their outcomes, over all views. */
    outcomes: z.number(),
  }),
});

/** How an ensemble's members are calibrated and weighed, with what that was learnt from; as its file holds it. */
export type EnsembleRecipe = z.infer<typeof schema>;

/** Reads a recipe from its file's text. Throws `KernelcastError("model", …)`; `path` is for the message. */
export function parseEnsembleRecipe(text: string, path: string): EnsembleRecipe {
  const parsed = schema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new KernelcastError("model", `${path}: not an ensemble's recipe: ${issue?.path.join(".")} ${issue?.message}`);
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KernelcastError("model", `${path}: not an ensemble's recipe: it is not JSON`, { cause });
  }
}

function ascending(values: readonly number[]): boolean {
  return values.every((value, index) => index === 0 || value >= (values[index - 1] as number));
}
