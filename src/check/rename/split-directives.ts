import { isCode, type CudaToken } from "../../domain/index.ts";

export interface SplitSource {
  /** Code tokens outside preprocessor directives. */
  readonly code: readonly CudaToken[];
  /** Code tokens of each directive, with its `#`. */
  readonly directives: readonly (readonly CudaToken[])[];
}

/** Parts a source's code from its preprocessor directives. Comments and white space go. */
export function splitDirectives(source: readonly CudaToken[]): SplitSource {
  const code: CudaToken[] = [];
  const directives: CudaToken[][] = [];
  let lineIsEmpty = true;
  let directive: CudaToken[] | undefined;
  for (const token of source) {
    if (token.kind === "newline") {
      lineIsEmpty = true;
      directive = undefined;
    }
    if (!isCode(token)) continue;
    if (lineIsEmpty && token.text === "#") directives.push((directive = []));
    (directive ?? code).push(token);
    lineIsEmpty = false;
  }
  return { code, directives };
}
