import type { Forecast, Generated } from "../../domain/index.ts";

/** How a model is asked: see `forms/`. */
export const formNames = ["quantiles", "doublings", "bins-logprobs", "bins", "samples"] as const;

export type FormName = (typeof formNames)[number];

/** What a model says of one kernel, without saying which. */
export type Belief = Omit<Forecast, "kernelId">;

/** Something wrong with an answer; the message is told to the model when it is asked again. */
export interface AnswerFault {
  /** `not-json`, `half-json`, `missing`, `unknown`, `twice`, `range`, `order`, `sum`, `no-logprobs`, `not-a-bin`. */
  readonly kind: string;
  /** The kernel that it concerns, by its label; absent where it concerns all. */
  readonly label?: string;
  readonly message: string;
}

/** What could be read of one answer. */
export interface ReadAnswer<Reading> {
  readonly readings: ReadonlyMap<string, Reading>;
  readonly faults: readonly AnswerFault[];
}

/** The measured kernel that speedups are relative to. */
export interface Scale {
  /** Its label in the prompt. */
  readonly label: string;
  readonly log2Us: number;
}

/** One way to ask for forecasts and to understand the answer. */
export interface Form<Reading = unknown> {
  readonly name: FormName;
  /** Whether one prompt asks for several kernels. */
  readonly listwise: boolean;
  /** Answers wanted of each prompt. */
  readonly samples: number;
  readonly temperature?: number;
  /** Alternatives of the first token that it needs. */
  readonly logprobs?: number;
  /** Whether the model may think before it answers, which costs tokens. */
  readonly thinks: boolean;
  /** Whether answers are relative to a measured kernel. */
  readonly needsScale: boolean;
  /** What is to be answered, and how. The same for all prompts of the form. */
  readonly instructions: string;
  /** The prompt's last lines: for which kernels. */
  ask(labels: readonly string[], scale: Scale | undefined): string;
  schema(labels: readonly string[]): Readonly<Record<string, unknown>> | undefined;
  /** Tokens of an answer for so many kernels, with room to spare. */
  answerTokens(count: number): number;
  read(answer: Generated, labels: readonly string[], scale: Scale | undefined): ReadAnswer<Reading>;
  /** One belief from the readings of the samples; undefined where they are too few. */
  combine(readings: readonly Reading[]): Belief | undefined;
}
