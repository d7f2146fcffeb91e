import { isCancel, select, text } from "@clack/prompts";
import { KernelcastError } from "../domain/index.ts";
import type { InitQuestion } from "../formats/init-task-plan.ts";

/** Asks a person one question and gives the answer as text. */
export type Asker = (question: Pick<InitQuestion, "message" | "suggestion" | "choices">) => Promise<string>;

/** Asks on the terminal, on standard error. Throws `KernelcastError("interrupted", …)` on Ctrl-C. */
export const askOnTerminal: Asker = async ({ message, suggestion, choices }) => {
  const output = process.stderr;
  const answer = choices
    ? await select({
        message,
        output,
        options: choices.map((value) => ({ value })),
        ...(suggestion ? { initialValue: suggestion } : {}),
      })
    : await text({
        message,
        output,
        ...(suggestion ? { initialValue: suggestion } : {}),
        validate: (value) => (value?.trim() ? undefined : "an answer is needed"),
      });
  if (isCancel(answer)) throw new KernelcastError("interrupted", "init was interrupted; nothing was written");
  return answer.trim();
};
