import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateExpression } from "./expression.ts";

describe("evaluateExpression", () => {
  it.each([
    ["ceil_div(n, 256)", 4],
    ["n * 2 + 1", 2001],
    ["(n + 24) / 1024", 1],
    ["n % 7", 6],
    ["min(n, 4) - max(1, 2)", 2],
    ["-n + 1001", 1],
    ["n <= 1000 && n != 3", 1],
    ["n > 1000 || n < 0", 0],
    [17, 17],
  ])("%s is %d for n = 1000", (expression, value) => {
    expect(evaluateExpression(expression, { n: 1000 })).toBe(value);
  });

  it.each([
    ["m + 1", /unknown name "m" \(known: n\)/],
    ["n / 3", /not an integer \(use ceil_div/],
    ["n +", /expression "n \+"/],
    ["process.exit()", /only ceil_div, min, max can be called/],
    ["constructor", /unknown name/],
    ["pow(n, 2)", /unknown function "pow"/],
    ["ceil_div(n)", /takes 2 arguments/],
    ["n ? 1 : 2", /ConditionalExpression|not allowed/],
    ["n = 3", /not allowed|Expected|Unexpected/],
    ["'text'", /not a number/],
    ["ceil_div(n, 0)", /not an integer/],
    ["1.5", /not an integer/],
    ["n; m", /not allowed/],
  ])("refuses %s in one line that names it", (expression, message) => {
    expect(() => evaluateExpression(expression, { n: 1000 })).toThrow(message);
    expect(() => evaluateExpression(expression, { n: 1000 })).toThrow(/^expression/);
  });

  it("agrees with JavaScript on random arithmetic", () => {
    const operand = fc.integer({ min: 1, max: 50 });
    fc.assert(
      fc.property(
        operand,
        operand,
        operand,
        fc.constantFrom("+", "-", "*"),
        fc.constantFrom("+", "*", "%"),
        (a, b, c, f, g) => {
          const text = `(a ${f} b) ${g} c`;
          const expected = { "+": a + b, "-": a - b, "*": a * b }[f];
          const value = { "+": expected + c, "*": expected * c, "%": expected % c }[g];
          expect(evaluateExpression(text, { a, b, c })).toBe(value);
        },
      ),
    );
  });
});
