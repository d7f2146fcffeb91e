import type { Statement } from "../analysis/ast.ts";
import { awaitCopies, commitCopies, copyLater } from "./async-intrinsics.ts";
import { mapLanes, type Lanes } from "./lanes.ts";
import { loadMatrices, multiplyRegisters } from "./matrix-instructions.ts";
import { assign, placeOf, placeType } from "./places.ts";
import { floatBits, Unsupported } from "./rounding.ts";
import type { Run } from "./run.ts";
import { scalarOfValue, scalarValue, type Scope } from "./values.ts";

type Assembly = Statement & { readonly kind: "assembly" };

/** One instruction with its operands: registers by number of the statement's operands, or plain numbers. */
export interface Instruction {
  readonly run: Run;
  readonly name: string;
  readonly operands: readonly string[];
  /** Lanes of an operand as the statement gives it. */
  readonly read: (index: number) => Lanes;
  readonly write: (index: number, lanes: Lanes, type: "f32" | "u32" | "i32") => void;
}

/** Carries out the instructions of inline assembly that are modelled. */
export function runAssembly(run: Run, statement: Assembly, scope: Scope): void {
  const code = statement.text.replace(/\\[nt]/g, " ").replace(/\/\*.*?\*\/|\/\/.*$/gs, " ");
  for (const part of code.split(";")) {
    const text = part.trim();
    if (text !== "") runInstruction(parse(run, text, statement, scope));
  }
}

function parse(run: Run, text: string, statement: Assembly, scope: Scope): Instruction {
  const [, name = "", rest = ""] = /^([\w.:]+)\s*(.*)$/s.exec(text) ?? [];
  const operands = rest
    .split(",")
    .map((part) => part.replace(/[[\]{}\s]/g, ""))
    .filter((part) => part !== "");
  const expressionOf = (index: number): Assembly["operands"][number] | undefined => {
    const place = /^%(\d+)$/.exec(operands[index] ?? "");
    return place ? statement.operands[Number(place[1])] : undefined;
  };
  return {
    run,
    name,
    operands,
    read: (index) => {
      const expression = expressionOf(index);
      if (expression) return scalarOfValue(run.evaluate(expression, scope)).lanes;
      const number = Number(operands[index]);
      if (Number.isNaN(number)) throw new Unsupported("an operand of assembly");
      return number;
    },
    write: (index, lanes, type) => {
      const expression = expressionOf(index);
      const place = expression && placeOf(run, expression, scope);
      if (!place) throw new Unsupported("an operand of assembly");
      const target = placeType(place);
      const bits = type === "f32" && target.kind === "scalar" && target.name !== "f32";
      assign(run, place, bits ? scalarValue(mapLanes(lanes, floatBits), "u32") : scalarValue(lanes, type));
    },
  };
}

function runInstruction(instruction: Instruction): void {
  const { name, run, operands } = instruction;
  if (/^cp\.async\.c[ag]\.shared/.test(name)) {
    const bytes = run.machine.uniform(instruction.read(2), "a copy's size");
    const filled = operands[3]?.startsWith("%") ? instruction.read(3) : bytes;
    copyLater(run, run.machine.fromShared(instruction.read(0)), instruction.read(1), bytes, filled);
  } else if (name === "cp.async.commit_group") commitCopies(run);
  else if (name === "cp.async.wait_group") awaitCopies(run, run.machine.uniform(instruction.read(0), "a wait"));
  else if (name === "cp.async.wait_all") awaitCopies(run, -1);
  else if (name.startsWith("ldmatrix")) loadMatrices(instruction);
  else if (name.startsWith("mma.sync")) multiplyRegisters(instruction);
  else if (!/^(fence|prefetch|membar)/.test(name)) runPlain(instruction);
}

const floats: Readonly<Record<string, (x: number) => number>> = {
  ex2: (x) => 2 ** x,
  lg2: Math.log2,
  tanh: Math.tanh,
  rcp: (x) => 1 / x,
  rsqrt: (x) => 1 / Math.sqrt(x),
  sqrt: Math.sqrt,
  sin: Math.sin,
  cos: Math.cos,
};

function runPlain({ name, read, write, run }: Instruction): void {
  const operation = floats[name.split(".")[0] ?? ""];
  if (operation && name.endsWith(".f32")) {
    write(
      0,
      mapLanes(read(1), (x) => Math.fround(operation(x))),
      "f32",
    );
  } else if (name === "cvt.rna.tf32.f32") write(0, read(1), "f32");
  else if (/^mov\.[bu]32$/.test(name)) write(0, read(1), "u32");
  else if (/^(bar|barrier)\.(sync|cta)/.test(name)) run.machine.barrier();
  else throw new Unsupported(`the instruction ${name}`);
}
