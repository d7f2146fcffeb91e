import type { AnswerStore, TokenChoice, TokenUsage } from "../domain/index.ts";

export interface KeptAnswer {
  readonly text: string;
  /** What it used when it was made. */
  readonly usage: TokenUsage;
  readonly firstToken?: readonly TokenChoice[];
}

/** Reads a kept answer; one that this program cannot read counts as absent. */
export function readAnswer(store: AnswerStore, key: string): KeptAnswer | undefined {
  const text = store.answer(key);
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text) as KeptAnswer;
    return typeof kept.text === "string" ? kept : undefined;
  } catch {
    return undefined;
  }
}

export function keepAnswer(store: AnswerStore, key: string, { text, usage, firstToken }: KeptAnswer): void {
  store.keepAnswer(key, JSON.stringify({ text, usage, ...(firstToken && { firstToken }) }));
}
