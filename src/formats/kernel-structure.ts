/** Source without comments, runs of white space and numbers: two kernels with equal text differ only in constants. */
export function constantFreeText(source: string): string {
  return withoutComments(source)
    .replace(/\b(0[xX][0-9a-fA-F]+|\d+(\.\d*)?([eE][-+]?\d+)?)[uUlLfF]*\b/g, "#")
    .replace(/\s+/g, " ")
    .trim();
}

/** Source without its comments. */
export function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/\/\/[^\n]*/g, " ");
}
