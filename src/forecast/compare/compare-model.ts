import { z } from "zod";
import {
  checkFeatureNames,
  parseModelFile,
  readWeights,
  tensorsSchema,
  type NetworkWeights,
} from "./network-weights.ts";

const schema = z.object({
  format: z.literal("kernelcast-compare-1"),
  featureNames: z.array(z.string()).min(1),
  width: z.int().min(1).max(4096),
  tensors: tensorsSchema,
});

/** Reads a model from its file's text. Throws `KernelcastError("model", …)`; `path` is for the message. */
export function parseCompareModel(text: string, path: string): NetworkWeights {
  const { width, tensors, featureNames } = parseModelFile(schema, text, { kind: "compare", path });
  checkFeatureNames(path, featureNames);
  return readWeights(path, { features: featureNames.length, width, textWidth: 0 }, tensors);
}
