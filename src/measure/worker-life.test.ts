import { describe, expect, it } from "vitest";
import { startLife } from "./worker-life.ts";

function lifeOf(script: string): ReturnType<typeof startLife> {
  return startLife({ argv: ["sh", "-c", script], where: "the script" });
}

describe("what a dying worker said", () => {
  it("is shown without what would steer a terminal", async () => {
    const life = lifeOf(String.raw`printf '\033[2Jboom\007 at 3\n' >&2; exit 3`);
    expect((await life.ended).reason).toBe("the script exited with code 3 ([2Jboom  at 3)");
  });

  it("is taken from what it printed in place of answers, where it said nothing else", async () => {
    const life = lifeOf(String.raw`printf 'login \033]0;title\007\n'; exit 1`);
    expect((await life.ended).reason).toBe("the script exited with code 1 (login  ]0;title)");
  });
});
