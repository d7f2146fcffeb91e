import type { AnswerStore } from "../domain/index.ts";

/** An `AnswerStore` that lives as long as the process. */
export function createMemoryAnswerStore(): AnswerStore {
  const answers = new Map<string, string>();
  return {
    answer: (key) => answers.get(key),
    keepAnswer(key, text) {
      if (!answers.has(key)) answers.set(key, text);
    },
  };
}
