import type { Statement } from "../analysis/ast.ts";
import { awaitCopies, commitCopies, copyLater } from "./async-intrinsics.ts";
import { Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { scalarOfValue, type Scope } from "./values.ts";
import type { Lanes } from "./lanes.ts";

type Assembly = Statement & { readonly kind: "assembly" };

/** Carries out inline assembly: the instructions for asynchronous copies; others are not modelled. */
export function runAssembly(run: Run, statement: Assembly, scope: Scope): void {
  const code = statement.text.replace(/\\[nt]/g, " ").replace(/\/\*.*?\*\/|\/\/.*$/gs, " ");
  for (const instruction of code.split(";")) {
    const text = instruction.trim();
    if (text !== "") runInstruction(run, text, statement, scope);
  }
}

function runInstruction(run: Run, text: string, statement: Assembly, scope: Scope): void {
  const [, name = "", rest = ""] = /^([\w.:]+)\s*(.*)$/s.exec(text) ?? [];
  const operands = rest
    .split(",")
    .map((part) => part.replace(/[[\]\s]/g, ""))
    .filter((part) => part !== "");
  const operand = (index: number): Lanes => {
    const part = operands[index] ?? "";
    const place = /^%(\d+)$/.exec(part);
    if (!place) return Number(part);
    const expression = statement.operands[Number(place[1])];
    if (!expression) throw new Unsupported("an operand of assembly");
    return scalarOfValue(run.evaluate(expression, scope)).lanes;
  };
  if (/^cp\.async\.c[ag]\.shared/.test(name)) {
    const bytes = run.machine.uniform(operand(2), "a copy's size");
    copyLater(run, run.machine.fromShared(operand(0)), operand(1), bytes, operands[3] ? operand(3) : bytes);
  } else if (name === "cp.async.commit_group") commitCopies(run);
  else if (name === "cp.async.wait_group") awaitCopies(run, run.machine.uniform(operand(0), "a wait"));
  else if (name === "cp.async.wait_all") awaitCopies(run, -1);
  else throw new Unsupported(`the instruction ${name}`);
}
