import { z } from "zod";
import { KernelcastError } from "../../domain/index.ts";
import {
  checkFeatureNames,
  parseModelFile,
  readWeights,
  tensorsSchema,
  type NetworkWeights,
} from "../compare/network-weights.ts";
import { magnitudeBins, Tokenizer } from "./tokenizer.ts";

const schema = z.object({
  format: z.literal("kernelcast-embedded-1"),
  featureNames: z.array(z.string()),
  vocabulary: z.object({ words: z.array(z.string()) }),
  tokens: z.int(),
  magnitudeBins: z.int(),
  limit: z.int().min(1).max(65536),
  lengthStep: z.int().min(1).max(4096),
  width: z.int().min(1).max(4096),
  textWidth: z.int().min(1).max(4096),
  usesFeatures: z.boolean(),
  encoderSha256: z.string().regex(/^[0-9a-f]{64}$/),
  tensors: tensorsSchema,
});

/** What `head.json` of the forecaster `embedded` holds. */
export interface EmbeddedModel {
  readonly head: NetworkWeights;
  readonly tokenizer: Tokenizer;
  /** Tokens of a kernel that are read at most. */
  readonly limit: number;
  /** The encoder takes lengths that are multiples of this. */
  readonly lengthStep: number;
  readonly encoderSha256: string;
}

/** Reads a model from its file's text. Throws `KernelcastError("model", …)`; `path` is for the message. */
export function parseEmbeddedModel(text: string, path: string): EmbeddedModel {
  const { width, textWidth, usesFeatures, tensors, featureNames, ...rest } = parseModelFile(schema, text, {
    kind: "embedded",
    path,
  });
  if (usesFeatures) checkFeatureNames(path, featureNames);
  const tokenizer = new Tokenizer(rest.vocabulary);
  if (tokenizer.size !== rest.tokens || rest.magnitudeBins !== magnitudeBins) {
    const advice = "train it again (docs/guide/training-forecasters.md)";
    throw new KernelcastError(
      "model",
      `${path}: the model was trained on other words than this version reads; ${advice}`,
    );
  }
  const { limit, lengthStep, encoderSha256 } = rest;
  const features = usesFeatures ? featureNames.length : 0;
  const head = readWeights(path, { features, width, textWidth }, tensors);
  return { head, tokenizer, limit, lengthStep, encoderSha256 };
}
