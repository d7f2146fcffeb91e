import { mistakes } from "./bias-gelu-residual-f16/mistakes.ts";
import { pairTemplates } from "./bias-gelu-residual-f16/pairs.ts";
import { plainTemplates } from "./bias-gelu-residual-f16/plain.ts";
import { stagedTemplates } from "./bias-gelu-residual-f16/staged.ts";
import { vectorTemplates } from "./bias-gelu-residual-f16/vectors.ts";
import { defineGenerator } from "./kit/generator.ts";

export default defineGenerator({
  taskId: "bias-gelu-residual-f16",
  templates: [...plainTemplates, ...pairTemplates, ...vectorTemplates, ...stagedTemplates],
  mistakes,
});
