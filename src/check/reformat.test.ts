import { expect, test } from "vitest";
import { normaliseSource } from "./normalise.ts";
import { reformatSource } from "./reformat.ts";

test("another layout of the same program, headers still found", () => {
  const source =
    '#include <cooperative_groups/reduce.h>\n#include "a.h"\n#define F(x) x\nint a; // fast\n\nint b =\n  F(2);';
  const reformatted = reformatSource(source);
  expect(reformatted).toBe(
    '#include <cooperative_groups/reduce.h>\n# include "a.h"\n# define F( x ) x\nint a ; int b = F ( 2 ) ;\n',
  );
  expect(normaliseSource(reformatted)).toBe(normaliseSource(source));
});
