import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCode, lexCuda } from "./cuda-lexer.ts";

function code(source: string): string[] {
  return lexCuda(source)
    .filter(isCode)
    .map(({ text }) => text);
}

function kinds(source: string): string[] {
  return lexCuda(source).map(({ kind }) => kind);
}

describe("lexCuda", () => {
  test.each<[string, string[]]>([
    ["a+++b", ["a", "++", "+", "b"]],
    ["x<<=1>>2", ["x", "<<=", "1", ">>", "2"]],
    ["k<<<g,b>>>(p)", ["k", "<<<", "g", ",", "b", ">>>", "(", "p", ")"]],
    ["1.5e-3f .5f 0x1p-4 1'000u 12ull", ["1.5e-3f", ".5f", "0x1p-4", "1'000u", "12ull"]],
    ["p->x::y...", ["p", "->", "x", "::", "y", "..."]],
    ['"a\\"b" L"c" u8"d"', ['"a\\"b"', 'L"c"', 'u8"d"']],
    ["R\"x(a)\"b)x\" '\\''", ['R"x(a)"b)x"', "'\\''"]],
    ["a/*x*/b//y\nc", ["a", "b", "c"]],
    ["a // x \\\n still\nb", ["a", "b"]],
    ['"// no" /* " */ "b"', ['"// no"', '"b"']],
    ["größe_1 $x", ["größe_1", "$x"]],
  ])("%s", (source, expected) => {
    expect(code(source)).toEqual(expected);
  });

  test("what is not closed ends with its line or the file", () => {
    expect(code('"abc\nd')).toEqual(['"abc', "d"]);
    expect(code("#error don't\nint x;")).toEqual(["#", "error", "don", "'t", "int", "x", ";"]);
    expect(kinds("/* abc\nd")).toEqual(["comment"]);
    expect(kinds('R"(abc\nd')).toEqual(["string"]);
    expect(kinds("// abc")).toEqual(["comment"]);
  });

  test("line splices are space, line ends are newlines", () => {
    expect(kinds("a \\\n b\r\nc")).toEqual(["identifier", "space", "identifier", "newline", "identifier"]);
  });

  test("tokens joined are the source", () => {
    const pieces = fc.constantFrom(
      "a",
      "1",
      " ",
      "\n",
      "\\",
      '"',
      "'",
      "/",
      "*",
      "//",
      'R"(',
      ')"',
      "<",
      ">",
      "é",
      "\r",
      "#",
    );
    const source = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(pieces).map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(source, (text) => {
        expect(
          lexCuda(text)
            .map((token) => token.text)
            .join(""),
        ).toBe(text);
      }),
      { numRuns: 500 },
    );
  });
});
