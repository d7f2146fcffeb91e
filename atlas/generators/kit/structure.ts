/** Source without comments, white space runs and numbers: two kernels with equal text differ only in constants. */
export function constantFreeText(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, " ")
    .replace(/\/\/[^\n]*/g, " ")
    .replace(/\b(0[xX][0-9a-fA-F]+|\d+(\.\d*)?([eE][-+]?\d+)?)[uUlLfF]*\b/g, "#")
    .replace(/\s+/g, " ")
    .trim();
}
