import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import { featureNames } from "../static/features.ts";

const schema = z.object({
  format: z.literal("kernelcast-adapt-1"),
  /** Typical spread of a feature within a task, by its name; features not named are not used. */
  scales: z.record(z.string(), z.number().positive()),
  settings: z
    .array(
      z.object({
        reach: z.number().positive(),
        text: z.number().min(0).max(1),
        parameters: z.number().min(0).max(1),
        noise: z.number().positive(),
        logPrior: z.number(),
      }),
    )
    .min(1),
  fittedOn: z.object({
    recording: z.string(),
    split: z.string(),
    device: z.string(),
    /** The model file of the forecaster that it was fitted to, in the same folder. */
    forecaster: z.object({ file: z.string().regex(/^[\w.-]+$/), sha256: z.string() }),
    tasks: z.array(z.string()),
  }),
});

/** How far and by what kernels are alike, and how good each way of telling was on other tasks; as its file holds it. */
export type AdaptModel = z.infer<typeof schema>;

/** Reads a model from its file's text. Throws `KernelcastError("model", …)`; `path` is for the message. */
export function parseAdaptModel(text: string, path: string): AdaptModel {
  const parsed = schema.safeParse(parseJson(text, path));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new KernelcastError("model", `${path}: not a model of adapt: ${issue?.path.join(".")} ${issue?.message}`);
  }
  const unknown = Object.keys(parsed.data.scales).find((name) => !featureNames.includes(name));
  if (unknown === undefined) return parsed.data;
  throw new KernelcastError(
    "model",
    `${path}: feature "${unknown}" is none that this version computes; fit it again with npm run fit:adaptation`,
  );
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new KernelcastError("model", `${path}: not a model of adapt: it is not JSON`, { cause });
  }
}

/** The scales in the order of the features, 0 for those left out. */
export function scalesInOrder({ scales }: Pick<AdaptModel, "scales">): Float64Array {
  return Float64Array.from(featureNames, (name) => scales[name] ?? 0);
}
