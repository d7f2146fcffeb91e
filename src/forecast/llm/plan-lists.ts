import type { LanguageModelAbilities } from "../../domain/index.ts";

/** Characters of code per token, on the short side: a prompt must fit. */
const charactersPerToken = 3;

export function estimateTokens(text: string): number {
  return Math.ceil(text.length / charactersPerToken);
}

/** Tokens of a context that is not known. */
const unknownContext = 32_000;

export function contextOf({ contextTokens }: LanguageModelAbilities): number {
  return contextTokens ?? unknownContext;
}

/** More at once is read less carefully. */
const longestList = 25;
/** Fewer are not compared with each other. */
const shortestList = 8;

export interface ListSizes {
  /** Tokens of what every prompt of the request has. */
  readonly shared: number;
  /** Tokens of each candidate in full. */
  readonly full: readonly number[];
  /** Tokens of one as changes to a measured kernel; undefined where that would be hard to read. Asked only where it matters. */
  readonly changes: (index: number) => number | undefined;
  /** Tokens of an answer for so many, thoughts included. */
  readonly answer: (count: number) => number;
}

export interface ListChoice {
  /** Most candidates of a prompt; undefined: by context and price. */
  readonly list: number | undefined;
  readonly sources: "auto" | "full" | "changes";
  /** What the input of one forecast should cost at most, in USD. */
  readonly usdPerForecast: number;
}

/** The candidates of each prompt, by index, and which of them are shown as changes. */
export interface ListPlan {
  readonly lists: readonly (readonly number[])[];
  readonly asChanges: readonly boolean[];
}

/**
 * How candidates are spread over prompts. The list is as long as the price asks, for all share what the prompt has besides; 25 where
 * the price is unknown. Sources are shown as changes where full ones would cost more than they may, or would need more prompts.
 */
export function planLists(sizes: ListSizes, abilities: LanguageModelAbilities, choice: ListChoice): ListPlan {
  const { full } = sizes;
  const length = choice.list ?? lengthByPrice(sizes, abilities, choice.usdPerForecast);
  const whole = { lists: pack(sizes, abilities, length, []), asChanges: full.map(() => false) };
  if (choice.sources === "full") return whole;
  const all = choice.sources === "changes" || whole.lists.length > Math.ceil(full.length / length);
  const changes = full.map((tokens, index) => {
    const isDear = inputUsd(tokens, abilities) > choice.usdPerForecast / 2;
    return all || isDear ? sizes.changes(index) : undefined;
  });
  const asChanges = changes.map((tokens) => tokens !== undefined);
  return { lists: pack(sizes, abilities, length, changes), asChanges };
}

function inputUsd(tokens: number, { price }: LanguageModelAbilities): number {
  return ((price?.inputUsd ?? 0) * tokens) / 1e6;
}

function lengthByPrice({ shared, full }: ListSizes, abilities: LanguageModelAbilities, usd: number): number {
  const { price, promptCaching } = abilities;
  if (!price) return longestList;
  const sharedUsd = ((promptCaching ? price.cachedInputUsd : price.inputUsd) * shared) / 1e6;
  const mean = full.reduce((sum, tokens) => sum + tokens, 0) / Math.max(1, full.length);
  const left = usd - inputUsd(mean, abilities);
  if (!(left > 0)) return longestList;
  return Math.min(longestList, Math.max(shortestList, Math.ceil(sharedUsd / left)));
}

/** Lists of like length in the given order, each short enough for the context. One candidate always makes a list. */
function pack(
  { shared, full, answer }: ListSizes,
  abilities: LanguageModelAbilities,
  length: number,
  changes: readonly (number | undefined)[],
): number[][] {
  const even = Math.ceil(full.length / Math.max(1, Math.ceil(full.length / length)));
  const context = contextOf(abilities);
  const lists: number[][] = [];
  let tokens = 0;
  for (const [index, whole] of full.entries()) {
    const own = changes[index] ?? whole;
    const last = lists.at(-1);
    const room = context - shared - answer((last?.length ?? 0) + 1);
    if (last && last.length < even && tokens + own <= room) {
      last.push(index);
      tokens += own;
    } else {
      lists.push([index]);
      tokens = own;
    }
  }
  return lists;
}
