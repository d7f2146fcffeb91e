import { describe, expect, it } from "vitest";
import { coloursFor } from "./colours.ts";

const written = (env: Readonly<Record<string, string>>, isTTY?: boolean): string =>
  coloursFor({ env }, { write: () => true, ...(isTTY === undefined ? {} : { isTTY }) }).green("ok");

const green = "\u001b[32mok\u001b[39m";

describe("colours", () => {
  it("are for terminals alone, also in CI", () => {
    expect(written({}, true)).toBe(green);
    expect(written({ CI: "true" }, false)).toBe("ok");
    expect(written({ CI: "true" })).toBe("ok");
    expect(written({ TERM: "dumb" }, true)).toBe("ok");
  });

  it("obey NO_COLOR and FORCE_COLOR", () => {
    expect(written({ NO_COLOR: "1", FORCE_COLOR: "1" }, true)).toBe("ok");
    expect(written({ FORCE_COLOR: "1" }, false)).toBe(green);
    expect(written({ FORCE_COLOR: "0" }, true)).toBe("ok");
  });
});
