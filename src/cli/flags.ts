import { text } from "./context.ts";

/** Parser for a number above 0. */
export function positive(input: string): number {
  const value = Number(input);
  if (!(value > 0 && value < Infinity)) throw new Error("it must be a number above 0");
  return value;
}

/** Parser for a whole number. */
export function wholeNumber(least: number): (input: string) => number {
  return (input) => {
    const value = input.trim() === "" ? Number.NaN : Number(input);
    if (!Number.isSafeInteger(value) || value < least)
      throw new Error(`it must be a whole number of at least ${least}`);
    return value;
  };
}

/** `--forecaster`, wherever one is asked. */
export const forecasterFlag = {
  kind: "parsed",
  parse: text,
  brief: "static[:MODEL], embedded[:FOLDER], auto, ensemble:A+B, recorded:PATH[#NAME] or command:PROGRAM",
  default: "static",
} as const;

export const forecasterTimeoutFlag = {
  kind: "parsed",
  parse: positive,
  optional: true,
  brief: "Seconds that a forecaster's program may take for one answer (default 120)",
} as const;
