import { dtypes, precisions, type Kernel } from "../../domain/index.ts";
import { bufferWord, bufferWords, kernelWords, type ReadTask, type Word } from "../source/words.ts";

/** A kernel as numbers: token ids, and beside each the bin of the number that it begins (0 for none). */
export interface EncodedKernel {
  readonly ids: readonly number[];
  readonly magnitudes: readonly number[];
  /** Tokens that did not fit. */
  readonly dropped: number;
}

/** What a tokenizer knows: its words in the order of their ids, after the reserved ones. */
export interface Vocabulary {
  readonly words: readonly string[];
}

/** Names of a program, by order of appearance; the last stands for all that follow. */
export const nameSlots = 192;

/** Bins of a number's magnitude: 0 for none, then two per factor of two from 0 on. */
export const magnitudeBins = 64;

const digits = Array.from("0123456789.-exabcdful");
const roles = ["in", "out", "inout", "scratch"];
const tolerances = ["allclose", "exact", "mismatch_frac"];
const marks = ["pad", "mask", "unknown", "number", "launch", "source"];

/** The words every vocabulary begins with: marks, the spelling of numbers, and the slots of names. */
export const reservedWords: readonly string[] = [
  ...[...new Set([...marks, ...roles, ...tolerances, ...dtypes, ...precisions])].map((mark) => `<${mark}>`),
  ...Array.from({ length: bufferWords }, (_, place) => bufferWord(place)),
  ...digits.map((digit) => `digit ${digit}`),
  ...Array.from({ length: nameSlots }, (_, slot) => `name ${slot}`),
];

/**
 * Turns kernels into token ids. Names that the vocabulary has (built-ins, types, keywords) are tokens; the program's own
 * become slots in order of first appearance, so that renaming a kernel's identifiers changes nothing. Numbers that the
 * vocabulary has are one token, others are spelt; each carries its magnitude. Pure.
 */
export class Tokenizer {
  readonly size: number;
  readonly #ids: ReadonlyMap<string, number>;

  constructor({ words }: Vocabulary) {
    this.#ids = new Map([...reservedWords, ...words].map((word, id) => [word, id]));
    this.size = this.#ids.size;
  }

  encode(kernel: Kernel, task: ReadTask, limit: number): EncodedKernel {
    const ids: number[] = [];
    const magnitudes: number[] = [];
    const slots = new Map<string, number>();
    for (const word of kernelWords(kernel, task)) {
      const spelt = this.#spell(word, slots);
      ids.push(...spelt);
      magnitudes.push(word.kind === "number" ? magnitudeBin(word.text) : 0, ...spelt.slice(1).map(() => 0));
    }
    return {
      ids: ids.slice(0, limit),
      magnitudes: magnitudes.slice(0, limit),
      dropped: Math.max(0, ids.length - limit),
    };
  }

  #spell(word: Word, slots: Map<string, number>): number[] {
    const known = this.#ids.get(word.text);
    if (known !== undefined) return [known];
    if (word.kind === "name") return [this.#slot(word.text, slots)];
    if (word.kind === "number") return this.#spellNumber(word.text);
    return [this.#id("<unknown>")];
  }

  #slot(name: string, slots: Map<string, number>): number {
    const slot = slots.get(name) ?? slots.size;
    slots.set(name, slot);
    return this.#id(`name ${Math.min(slot, nameSlots - 1)}`);
  }

  #spellNumber(text: string): number[] {
    return [this.#id("<number>"), ...Array.from(text).flatMap((digit) => this.#ids.get(`digit ${digit}`) ?? [])];
  }

  #id(word: string): number {
    return this.#ids.get(word) ?? 0;
  }
}

/** Two bins per factor of two; 0 stands for "no number". */
function magnitudeBin(text: string): number {
  const value = Math.abs(
    Number(text.replace(/'/g, "").replace(/[ulfz]+$/i, (suffix) => (/^0x/i.test(text) ? suffix : ""))),
  );
  if (!Number.isFinite(value)) return magnitudeBins - 1;
  return 1 + Math.min(magnitudeBins - 3, Math.round(2 * Math.log2(1 + value)));
}
