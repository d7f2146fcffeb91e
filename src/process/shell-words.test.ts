import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quoteWord, splitWords } from "./shell-words.ts";

const word = fc.string({ unit: fc.constantFrom(..."ab '\"\\$`!;&|<>*?(){}#~%^\n\t-=é".split("")), maxLength: 12 });

describe("quoteWord", () => {
  it("survives a real shell, whatever the word", () => {
    const words = fc.sample(word, { numRuns: 200, seed: 1 });
    const printed = execFileSync("sh", ["-c", `printf '%s\\0' ${words.map(quoteWord).join(" ")}`]).toString("utf8");
    expect(printed.split("\0").slice(0, -1)).toEqual(words);
  });
});

describe("splitWords", () => {
  it("undoes quoting", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), (words) => {
        expect(splitWords(words.map(quoteWord).join(" "))).toEqual(words);
      }),
    );
  });

  it("knows double quotes and backslashes", () => {
    expect(splitWords(`  srun --comment="two \\"words\\"" a\\ b  'c d'e `)).toEqual([
      "srun",
      '--comment=two "words"',
      "a b",
      "c de",
    ]);
  });

  it("refuses an unfinished quote", () => {
    expect(() => splitWords("docker run 'x")).toThrow(/is not finished/);
  });
});
