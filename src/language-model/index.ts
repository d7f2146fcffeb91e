/** Language models behind the domain's port: providers, limits, retries, budgets and kept answers. */
export { createLanguageModels, type LanguageModels, type LanguageModelsOptions } from "./language-models.ts";
export { batchPrice } from "./known-models.ts";
export { ggufIdentity } from "./gguf-identity.ts";
export { createMemoryAnswerStore } from "./memory-answer-store.ts";
export { parseModelSpecification } from "./specification.ts";
