import { createHash } from "node:crypto";
import { canonicalJson, type GenerateRequest } from "../domain/index.ts";

/** Raised where an answer's stored form or a request's meaning changes. */
const version = 1;

/** Names the answer to a request: everything that could change it, and not what it is for. */
export function answerKey(model: string, { purpose: _purpose, ...request }: GenerateRequest): string {
  return createHash("sha256").update(canonicalJson({ version, model, request })).digest("hex");
}
