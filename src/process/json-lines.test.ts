import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonLineSplitter, type JsonLine } from "./json-lines.ts";

function split(chunks: readonly (string | Buffer)[], limit?: number): JsonLine[] {
  const lines: JsonLine[] = [];
  const splitter = new JsonLineSplitter((line) => lines.push(line), limit);
  for (const chunk of chunks) splitter.push(Buffer.from(chunk));
  splitter.end();
  return lines;
}

describe("JsonLineSplitter", () => {
  it("gives the same values however the bytes are cut", () => {
    const values = fc.array(fc.jsonValue(), { maxLength: 5 });
    fc.assert(
      fc.property(values, fc.array(fc.nat(200), { maxLength: 6 }), (wanted, cuts) => {
        const bytes = Buffer.from(wanted.map((value) => `${JSON.stringify(value)}\n`).join(""));
        const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
        const lines = split(chunks);
        expect(lines).toEqual(
          wanted.map((value) => ({ kind: "value", value: JSON.parse(JSON.stringify(value)) as unknown })),
        );
      }),
    );
  });

  it("skips empty lines and takes an unfinished last line", () => {
    expect(split(["\n  \r\n", '{"a":', "1}"])).toEqual([{ kind: "value", value: { a: 1 } }]);
  });

  it("reports what is not JSON, shortened, and goes on", () => {
    const lines = split([`${"z".repeat(1000)}\n1\n`]);
    expect(lines[0]).toEqual({ kind: "not_json", text: "z".repeat(200) });
    expect(lines[1]).toEqual({ kind: "value", value: 1 });
  });

  it("reports a line over the limit once, without keeping it, and goes on", () => {
    expect(split(["12345678", "90\n7\n"], 8)).toEqual([
      { kind: "too_long", bytes: 10 },
      { kind: "value", value: 7 },
    ]);
  });
});
