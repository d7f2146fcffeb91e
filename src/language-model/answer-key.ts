import { canonicalJson, sha256Hex, type GenerateRequest } from "../domain/index.ts";

/** Raised where an answer's stored form or a request's meaning changes. */
const version = 1;

/** Names the answer to a request: everything that could change it, and not what it is for. */
export function answerKey(model: string, { purpose: _purpose, ...request }: GenerateRequest): string {
  return sha256Hex(canonicalJson({ version, model, request }));
}
