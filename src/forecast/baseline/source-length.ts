import { isCode, lexCuda, type Kernel } from "../../domain/index.ts";

/** log2 of the number of tokens of a kernel's source, comments and white space aside. */
export function log2Tokens({ source }: Pick<Kernel, "source">): number {
  return Math.log2(Math.max(1, lexCuda(source).filter(isCode).length));
}
