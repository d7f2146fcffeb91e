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
  brief:
    "static[:MODEL], embedded[:FOLDER], auto, ensemble:A+B, adapt:FORECASTER, recorded:PATH[#NAME], command:PROGRAM, or a language model: openai:, anthropic: or google:MODEL, openai-compatible:MODEL@URL, gguf:FILE, each with [?form=FORM&…], gguf: also with adapter=FILE",
  default: "static",
} as const;

/** Limits of what language models may spend, wherever they are asked. */
export const modelBudgetFlags = {
  tokens: {
    kind: "parsed",
    parse: wholeNumber(1),
    optional: true,
    brief: "Tokens to spend on language models at most; no call is made whose worst case would be more",
  },
  usd: {
    kind: "parsed",
    parse: positive,
    optional: true,
    brief: "US dollars to spend on language models at most, by list prices; likewise",
  },
} as const;

export const gpuPriceFlag = {
  kind: "parsed",
  parse: positive,
  optional: true,
  brief: "What an hour of the GPU costs in US dollars, to tell what forecasts are worth",
} as const;

export const forecasterTimeoutFlag = {
  kind: "parsed",
  parse: positive,
  optional: true,
  brief: "Seconds that a forecaster's program may take for one answer (default 120)",
} as const;
