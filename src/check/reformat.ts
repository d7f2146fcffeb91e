import { normaliseSource } from "./normalise.ts";

/** The same program laid out otherwise: no comments, and no line breaks but around preprocessor directives. Compiles as before. */
export function reformatSource(source: string): string {
  const header = (_: string, name: string): string => `#include <${name.replaceAll(" ", "")}>`;
  return `${normaliseSource(source).replace(/^# include < (.*) >$/gm, header)}\n`;
}
