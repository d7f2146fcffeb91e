import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lexCuda } from "../domain/index.ts";
import { normaliseSource } from "./normalise.ts";
import { sanitiseSource } from "./sanitise.ts";

describe("sanitiseSource", () => {
  test.each<[string, string, string]>([
    ["line comments", "int a; // fast\nint b;", "int a;\nint b;\n"],
    ["block comments", "int /* 4x */ a;\n/* one\ntwo */\nint b;", "int   a;\nint b;\n"],
    ["comments that go on", "int a; // x \\\n y\nint b;", "int a;\nint b;\n"],
    ["string contents", 'printf("target 4x %d", i);', 'printf("", i);\n'],
    ["raw strings", 'auto s = R"x(say )" yes)x";', 'auto s = "";\n'],
    ["linkage", 'extern "C" __global__ void k();', 'extern "C" __global__ void k();\n'],
    ["linkage that is none", 'extern "C fast" void k();', 'extern "" void k();\n'],
    ["header names", '#include "cuda_fp16.h"\n#include <mma.h>', '#include "cuda_fp16.h"\n#include <mma.h>\n'],
    ["header names with words", '#include "this is fast"', '#include ""\n'],
    ["unroll pragmas", '_Pragma("unroll 4") for (;;) {}', '_Pragma("unroll 4") for (;;) {}\n'],
    ["other pragmas", '_Pragma("message fast") ;', '_Pragma("") ;\n'],
    ["static assertions", 'static_assert(N > 0, "N");', 'static_assert(N > 0, "");\n'],
    ["characters", "char a = 'x', b = '\\n'; int c = 'fast';", "char a = 'x', b = '\\n'; int c = '';\n"],
    ["messages", "#error this kernel is fast\nint a;", "#error\nint a;\n"],
    ["inactive code", "#if 0\nfast\n#if 1\n#endif\n#endif\nint a;", "#if 0\n#endif\nint a;\n"],
    ["inactive code with another branch", "#if 0\nfast\n#else\nint a;\n#endif", "#if 0\n#else\nint a;\n#endif\n"],
  ])("%s", (_, source, expected) => {
    expect(sanitiseSource(source)).toBe(expected);
  });

  test("assembly stays, its comments go", () => {
    const source = [
      'asm volatile ("mma.sync.aligned.m16n8k16 // best\\n\\t"',
      '  "{%0}, /* expected\\n"',
      '  "4x */ {%1};" : "=f"(d[0]) : "r"(a), "f"(f("say")) : "memory");',
      'printf("// gone");',
    ].join("\n");
    const clean = sanitiseSource(source);
    expect(clean).toContain('"mma.sync.aligned.m16n8k16 \\n\\t"');
    expect(clean).toContain('"=f"(d[0])');
    expect(clean).toContain('"memory"');
    expect(clean).toContain('printf("")');
    expect(clean).not.toMatch(/best|gone/);
  });

  test("an assembly comment without a line end runs into the next literal", () => {
    const clean = sanitiseSource('asm("add.f32 %0, %1; // as fast" " as 4x\\n" "ret;" :: "r"(x));');
    expect(clean).toBe('asm("add.f32 %0, %1; " "\\n" "ret;" :: "r"(x));\n');
  });

  test("block comments of assembly in one literal", () => {
    expect(sanitiseSource('asm("a/*x*/b");')).toBe('asm("ab");\n');
  });

  test("nothing that was a comment or a message survives, and code does", () => {
    const code = fc.constantFrom("int a;", "x[i] += 1.0f;", 'extern "C"', "#define A 1", "if (a < b) {", "}", "'c'");
    const hidden = fc.constantFrom("// SECRET", "/* SECRET */", '"SECRET"', "#error SECRET", '/* "*/');
    fc.assert(
      fc.property(fc.array(fc.oneof(code, hidden)), (lines) => {
        const clean = sanitiseSource(lines.join("\n"));
        expect(clean).not.toContain("SECRET");
        expect(lexCuda(clean).some(({ kind }) => kind === "comment")).toBe(false);
        expect(sanitiseSource(clean)).toBe(clean);
        const plain = lines.filter((line) => !/SECRET|"\*\//.test(line));
        expect(lines.length === plain.length ? normaliseSource(clean) : "").toBe(
          lines.length === plain.length ? normaliseSource(lines.join("\n")) : "",
        );
      }),
    );
  });
});
