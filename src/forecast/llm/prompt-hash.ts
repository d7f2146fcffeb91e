import { canonicalJson, sha256Hex, type GenerateRequest } from "../../domain/index.ts";

/** What identifies a prompt: SHA-256 over the text that a model reads and, where several answers are wanted, which of them. */
export function promptHash({ system, prompt, seed }: GenerateRequest): string {
  return sha256Hex(canonicalJson([system, prompt, seed ?? null]));
}
