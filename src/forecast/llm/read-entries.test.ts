import { describe, expect, it } from "vitest";
import { readEntries } from "./read-entries.ts";

const labels = ["K01", "K02"];
const read = (text: string, wanted = labels) =>
  readEntries(text, wanted, (entry) =>
    typeof entry["v"] === "number" ? { reading: entry["v"] } : { kind: "range", message: "v must be a number" },
  );
const both = '{"forecasts": [{"kernel": "K01", "v": 1}, {"kernel": "K02", "v": 2}]}';

describe("an answer's entries", () => {
  it.each([
    ["as asked", both],
    ["in a code block", `Here you are:\n\`\`\`json\n${both}\n\`\`\`\nThat is all.`],
    ["as a bare list", both.slice(14, -1)],
    ["one a line", '{"kernel": "K01", "v": 1}\n{"kernel": "K02", "v": 2}\n'],
    ["after thoughts with drafts", `<think>${both.replaceAll("1", "9")} no {</think>${both}`],
    [
      "under other keys",
      '{"answer": {"forecasts": [{"kernel": " k01", "v": 1}], "more": [{"kernel": "K02", "v": 2}]}}',
    ],
  ])("are found %s", (_, text) => {
    expect(read(text)).toEqual({
      readings: new Map([
        ["K01", 1],
        ["K02", 2],
      ]),
      faults: [],
    });
  });

  it("are kept of an answer that breaks off, and texts may hold braces", () => {
    const { readings, faults } = read(
      '{"forecasts": [{"kernel": "K01", "why": "a } \\" {", "v": 1}, {"kernel": "K02", "v"',
    );
    expect(readings).toEqual(new Map([["K01", 1]]));
    expect(faults.map(({ kind }) => kind)).toEqual(["half-json", "missing"]);
  });

  it("of one kernel need no label", () => {
    expect(read('{"v": 3}', ["K07"]).readings).toEqual(new Map([["K07", 3]]));
    expect(read('{"v": 3}').readings.size).toBe(0);
  });

  it("say by kernel what is wrong with them", () => {
    const { faults } = read('[{"kernel": "K01", "v": "fast"}, {"kernel": 2, "v": 2}]');
    expect(faults).toEqual([
      { kind: "range", label: "K01", message: "K01: v must be a number" },
      { kind: "unknown", message: "there is no kernel 2" },
      { kind: "missing", label: "K02", message: "K02 is missing" },
    ]);
  });
});
