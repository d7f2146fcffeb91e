import { describe, expect, it } from "vitest";
import { readAnswer, spellLaunches } from "./answer.ts";

const launches = [{ kernel: "k", grid: ["ceil_div(n, 256)", 1, 1], block: [256, 1, 1], smem_bytes: 0, args: ["x"] }];
const object = JSON.stringify({ idea: "wider loads", source: "a {", launches });

describe("readAnswer", () => {
  it.each([
    ["alone", object],
    ["in a fence", `Here it is:\n\`\`\`json\n${object}\n\`\`\`\nDone.`],
    ["among text with braces", `I use {brackets} like "this": ${object} and that's {it}.`],
    [
      "with the source beside it",
      `\`\`\`json\n${JSON.stringify({ idea: "wider loads", launches })}\n\`\`\`\n\`\`\`cuda\na {\n\`\`\``,
    ],
  ])("reads an object %s", (_how, text) => {
    const read = readAnswer(text);
    expect(read).toMatchObject({
      ok: true,
      answer: { idea: "wider loads", launches: [{ kernel: "k", grid: ["ceil_div(n, 256)", 1, 1], smemBytes: 0 }] },
    });
    expect(read.ok && read.answer.source.trim()).toBe("a {");
  });

  it("takes dimensions that models leave out, and both spellings of a scalar", () => {
    const args = ["x", { type: "i32", value: 5 }, { f32: 0.5 }];
    const text = JSON.stringify({ source: "a", launches: [{ kernel: "k", grid: 4, block: [32, 4], args }] });
    const read = readAnswer(text);
    expect(read.ok && read.answer.launches).toEqual([
      { kernel: "k", grid: [4, 1, 1], block: [32, 4, 1], smemBytes: 0, args: ["x", { i32: 5 }, { f32: 0.5 }] },
    ]);
    const spelt = read.ok ? JSON.parse(spellLaunches(read.answer)) : [];
    expect(spelt[0].args).toEqual(["x", { type: "i32", value: 5 }, { type: "f32", value: 0.5 }]);
  });

  it.each([
    ["", /no complete JSON object/],
    ["I cannot help with that.", /no complete JSON object/],
    [object.slice(0, -20), /no complete JSON object/],
    [JSON.stringify({ source: "a", launches: [] }), /launches/],
    [JSON.stringify({ launches }), /no source/],
    [
      JSON.stringify({ source: "a", launches: [{ kernel: "k", grid: [1], block: [1], args: [{ f8: 1 }] }] }),
      /launches\.0\.args\.0/,
    ],
    ["{".repeat(5000), /no complete JSON object/],
  ])("says what is wrong with %j", (text, fault) => {
    const read = readAnswer(text);
    expect(!read.ok && read.fault).toMatch(fault);
  });
});
