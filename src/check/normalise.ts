import { isCode, lexCuda, type CudaToken } from "../domain/index.ts";

/**
 * The source as far as a compiler reads it: comments and white space removed, tokens joined by single spaces, one line
 * per preprocessor directive. Sources with equal normalised text compile to the same program; the reverse need not hold.
 */
export function normaliseSource(source: string): string {
  const lines: string[][] = [[]];
  let inDirective = false;
  let lineIsEmpty = true;
  let touchesPrevious = false;
  for (const token of lexCuda(source)) {
    if (isCode(token)) {
      const startsDirective = token.text === "#" && lineIsEmpty;
      if (startsDirective) lines.push([]);
      inDirective ||= startsDirective;
      append(lines.at(-1) as string[], token, touchesPrevious);
      lineIsEmpty = false;
    } else if (token.kind === "newline") {
      if (inDirective) lines.push([]);
      inDirective = false;
      lineIsEmpty = true;
    }
    touchesPrevious = isCode(token);
  }
  return lines
    .filter((line) => line.length > 0)
    .map((line) => line.join(" "))
    .join("\n");
}

/** In `#define f(x)` no space before the parenthesis makes parameters of what follows: keep the two apart. */
function append(line: string[], token: CudaToken, touchesPrevious: boolean): void {
  const definesFunction =
    token.text === "(" && touchesPrevious && line.length === 3 && line[0] === "#" && line[1] === "define";
  if (definesFunction) line[2] += "(";
  else line.push(token.text);
}
