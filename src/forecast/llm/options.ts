import { KernelcastError, suggestion } from "../../domain/index.ts";
import type { Form, FormName } from "./form.ts";
import { formNames } from "./form.ts";
import { binsForm } from "./forms/bins.ts";
import { binsLogprobsForm } from "./forms/bins-logprobs.ts";
import { doublingsForm } from "./forms/doublings.ts";
import { quantilesForm } from "./forms/quantiles.ts";
import { withReasons } from "./forms/reasons.ts";
import { samplesForm } from "./forms/samples.ts";

const sourceChoices = ["auto", "full", "changes"] as const;
const reasonChoices = ["none", "short"] as const;

export interface LlmForecasterOptions {
  /** How the model is asked; `quantiles` by default. */
  readonly form?: FormName;
  /** Most candidates of one prompt; by default as context and price allow, at most 25. */
  readonly list?: number;
  /** How candidates are shown: in full, as changes to the measured kernel most like them, or as price and context ask. */
  readonly sources?: (typeof sourceChoices)[number];
  /** `short`: a few words of reason are asked for before each kernel's numbers; `none` by default. */
  readonly reasons?: (typeof reasonChoices)[number];
  /** Answers of the form `samples`; 8 by default. */
  readonly samples?: number;
  /** Most measured kernels that are shown; 8 by default. */
  readonly anchors?: number;
  /** Tokens that the model may think for; 12 000 by default, and for one kernel at a time as many. */
  readonly thinkingTokens?: number;
  /** What the input of one forecast should cost at most, in USD; 0.005 by default. */
  readonly usdPerForecast?: number;
  /** Fixes the order in which candidates are shown. */
  readonly seed?: number;
  /** Prompts under way at once; 64 by default. The model's adapter may hold it to fewer. */
  readonly concurrency?: number;
}

/** Options with all their defaults. */
export interface LlmSettings extends Required<Omit<LlmForecasterOptions, "form" | "list">> {
  readonly list: number | undefined;
  readonly form: Form;
}

/** Throws `KernelcastError("usage", …)` where options do not go together. */
export function settingsOf(options: LlmForecasterOptions): LlmSettings {
  const { form = "quantiles", reasons = "none", list, samples = 8, ...rest } = options;
  const plain = createForm(form, samples);
  if (reasons === "short" && plain.logprobs !== undefined) {
    const why = `the answer of form=${form} is one token; use form=bins or form=quantiles`;
    throw new KernelcastError("usage", `reasons=short: ${why}`);
  }
  return {
    sources: "auto",
    anchors: 8,
    thinkingTokens: 12_000,
    usdPerForecast: 0.005,
    seed: 1,
    concurrency: 64,
    ...rest,
    reasons,
    samples,
    list,
    form: reasons === "short" ? withReasons(plain) : plain,
  };
}

function createForm(name: FormName, samples: number): Form {
  if (name === "samples") return samplesForm(samples);
  const forms = {
    quantiles: quantilesForm,
    doublings: doublingsForm,
    bins: binsForm,
    "bins-logprobs": binsLogprobsForm,
  } as const;
  return forms[name];
}

/** A model and how it is asked, as in `openai:MODEL?form=bins`. */
export interface LlmSpecification {
  /** With the adapter that is laid over it, as `FILE?adapter=FILE`: that is another model. */
  readonly model: string;
  readonly options: LlmForecasterOptions;
}

const choices = { form: formNames, reasons: reasonChoices, sources: sourceChoices } as const;
const numbers = {
  list: "list",
  samples: "samples",
  anchors: "anchors",
  thinking: "thinkingTokens",
  seed: "seed",
  concurrency: "concurrency",
} as const;
const adapterOption = "adapter";
const known: readonly string[] = [...Object.keys(choices), ...Object.keys(numbers), adapterOption];

/**
 * Reads what follows the provider: `MODEL[?form=F&reasons=none|short&list=N&sources=auto|full|changes&samples=K&anchors=N&thinking=N&seed=N&concurrency=N]`,
 * and `adapter=FILE` of a model in a file.
 * Throws `KernelcastError("usage", …)` with one line.
 */
export function parseLlmSpecification(text: string): LlmSpecification {
  const mark = text.indexOf("?");
  const model = (mark < 0 ? text : text.slice(0, mark)).trim();
  if (model === "") throw wrong(text, "name a model after the colon");
  const options: Record<string, string | number> = {};
  let adapter = "";
  for (const pair of mark < 0 ? [] : text.slice(mark + 1).split("&")) {
    const [name = "", value = ""] = pair.split("=", 2);
    if (name === adapterOption) {
      adapter = `?${pair}`;
      continue;
    }
    const [key, parsed] = parseOption(text, name, value);
    options[key] = parsed;
  }
  return { model: `${model}${adapter}`, options };
}

function parseOption(text: string, name: string, value: string): readonly [string, string | number] {
  if (name in choices) {
    const allowed: readonly string[] = choices[name as keyof typeof choices];
    if (allowed.includes(value)) return [name, value];
    throw wrong(text, `unknown ${name} "${value}" (known: ${allowed.join(", ")})${suggestion(value, allowed)}`);
  }
  if (!(name in numbers)) {
    throw wrong(text, `unknown option "${name}" (known: ${known.join(", ")})${suggestion(name, known)}`);
  }
  const least = name === "seed" || name === "thinking" ? 0 : 1;
  if (!/^\d{1,7}$/.test(value) || Number(value) < least) {
    throw wrong(text, `${name} must be a whole number of at least ${least}, not "${value}"`);
  }
  return [numbers[name as keyof typeof numbers], Number(value)];
}

function wrong(text: string, why: string): KernelcastError {
  return new KernelcastError("usage", `--forecaster …:${text}: ${why}`);
}
