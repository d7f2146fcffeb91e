import type { Declarator, Expression, FunctionDefinition, Program, Statement, TypeName } from "./ast.ts";
import { visitAssembly } from "./assembly.ts";
import { elementType, type ElementType } from "./element-types.ts";
import { evaluate } from "./evaluate.ts";
import {
  at,
  combine,
  deepestLoop,
  firstLoopPoint,
  map,
  pointCount,
  select,
  threadPositions,
  type Lanes,
} from "./lanes.ts";
import { visitLoop } from "./loops.ts";
import type { OperationName } from "./profile.ts";
import { Recorder, type AccessKind, type ActiveLoop, type Position } from "./recorder.ts";
import { lanesOf, numberValue, Scope, unknownNumber, type PointerValue, type Value } from "./values.ts";
import type { LaunchShape } from "./lanes.ts";

/** Raised when a source takes too many steps to read; what was recorded so far stands. */
class TooLong extends Error {}

const stepLimit = 400_000;
const deepestCall = 12;

/** One call's results: which lanes have returned, and with what. */
interface Frame {
  returned: Lanes | undefined;
  result: Value | undefined;
}

type Journal = Map<Scope, Map<string, Value | undefined>>;

/**
 * Reads a kernel as a warp would run it: every statement once, with loops weighted by their trips, conditions by the
 * lanes that meet them, and addresses known wherever they follow from indices, sizes and constants.
 */
export class Walker implements Position {
  readonly program: Program;
  readonly recorder: Recorder;
  readonly globals: Scope = new Scope();
  readonly positions: ReturnType<typeof threadPositions>;
  readonly dynamicSharedBytes: number;
  weight = 1;
  mask: Lanes | undefined = undefined;
  loops: ActiveLoop[] = [];
  /** Above 0 while a loop's effect on its variables is tried out: nothing is recorded. */
  silent = 0;
  #frame: Frame = { returned: undefined, result: undefined };
  #calls = 0;
  #steps = 0;
  readonly #journals: Journal[] = [];
  readonly #declared = new Set<Declarator>();

  constructor(program: Program, shape: LaunchShape, dynamicSharedBytes: number) {
    this.program = program;
    this.recorder = new Recorder(shape);
    this.positions = threadPositions(shape);
    this.dynamicSharedBytes = dynamicSharedBytes;
    for (const { declarators, shared } of program.globals) {
      for (const declarator of declarators) this.declare(declarator, shared, this.globals);
    }
  }

  /** Counts a step of reading; throws {@link TooLong} after too many. */
  step(): void {
    if (++this.#steps > stepLimit) throw new TooLong();
  }

  count(name: OperationName, amount = 1): void {
    if (this.silent > 0) return;
    this.recorder.count(this, name, amount);
    if (name === "barrier") this.recorder.barrier(this);
  }

  access(pointer: PointerValue, bytes: number, kind: AccessKind): void {
    if (this.silent === 0) this.recorder.access(this, pointer, bytes, kind);
  }

  /** Width and arithmetic of a type, with the source's own names resolved; four bytes of integer where unknown. */
  element(type: TypeName): ElementType {
    if (type.pointers > 0) return { bytes: 8, arithmetic: "integer" };
    const alias = this.program.aliases.get(type.name);
    if (alias && alias.name !== type.name) return this.element(alias);
    const bytes = this.program.structures.get(type.name) ?? (type.name.endsWith("fragment") ? 32 : 4);
    return elementType(type.name) ?? { bytes, arithmetic: "f32" };
  }

  /** Value of an expression; what it does is recorded. */
  evaluate(expression: Expression, scope: Scope): Value {
    return evaluate(this, expression, scope);
  }

  visit(statement: Statement, scope: Scope): void {
    this.step();
    switch (statement.kind) {
      case "block":
        this.#visitAll(statement.body, new Scope(scope));
        return;
      case "if":
        this.#visitIf(statement, scope);
        return;
      case "loop":
        visitLoop(this, statement, scope);
        return;
      case "switch":
        this.#visitSwitch(statement, scope);
        return;
      case "return":
        this.#visitReturn(statement.value, scope);
        return;
      case "declaration":
        for (const declarator of statement.declaration.declarators) {
          this.declare(declarator, statement.declaration.shared, scope);
        }
        return;
      case "expression":
        evaluate(this, statement.expression, scope);
        return;
      case "assembly":
        visitAssembly(this, statement.text, statement.operands, scope);
        return;
      case "nothing":
    }
  }

  #visitAll(statements: readonly Statement[], scope: Scope): void {
    for (const statement of statements) {
      const before = this.#frame.returned;
      if (before === 1) return;
      this.visit(statement, scope);
      const { returned } = this.#frame;
      if (returned !== undefined && returned !== before) this.mask = intersect(this.mask, not(returned));
    }
  }

  declare(declarator: Declarator, shared: boolean, scope: Scope): void {
    const { name, extents, type } = declarator;
    if (extents.length === 0 && !shared) {
      const initial = declarator.initial && evaluate(this, declarator.initial, scope);
      scope.declare(name, this.convert(initial ?? unknownNumber, type, this.rowExtents(type, scope)));
      return;
    }
    if (declarator.initial) evaluate(this, declarator.initial, scope);
    scope.declare(name, this.#declareArray(declarator, shared, scope));
  }

  #declareArray(declarator: Declarator, shared: boolean, scope: Scope): PointerValue {
    const element = this.element(declarator.type);
    const extents = declarator.extents.map((extent) =>
      extent ? at(lanesOf(evaluate(this, extent, scope)), 0) || 1 : 1,
    );
    const dynamic = shared && declarator.extents.includes(undefined);
    const bytes = extents.reduce((product, size) => product * size, element.bytes);
    if (!this.#declared.has(declarator) && !dynamic) {
      this.#declared.add(declarator);
      if (shared) this.recorder.staticSharedBytes += bytes;
      else if (scope !== this.globals) this.recorder.localBytes += bytes;
    }
    return {
      kind: "pointer",
      space: shared ? "shared" : "local",
      buffer: declarator.name,
      bufferBytes: dynamic ? this.dynamicSharedBytes : bytes,
      offset: 0,
      element,
      extents: extents.length === 0 ? [1] : extents,
    };
  }

  /** Extents that indexing a pointer to arrays goes through; undefined for other pointers. */
  rowExtents(type: TypeName, scope: Scope): readonly number[] | undefined {
    return type.rows && [1, ...type.rows.map((extent) => at(lanesOf(evaluate(this, extent, scope)), 0) || 1)];
  }

  /**
   * A value as a variable of the type holds it. A pointer keeps the extents of an array of equal elements unless others
   * are given.
   */
  convert(value: Value, type: TypeName, extents?: readonly number[]): Value {
    if (value.kind === "function") return value;
    if (value.kind === "pointer") return this.#convertPointer(value, type, extents);
    if (type.pointers > 0 || type.name === "auto") return value;
    const element = this.element(type);
    const truncates = element.arithmetic === "integer" && value.arithmetic !== "integer";
    return numberValue(truncates ? map(value.lanes, Math.trunc) : value.lanes, element.arithmetic);
  }

  #convertPointer(value: PointerValue, type: TypeName, extents: readonly number[] | undefined): PointerValue {
    const keeps = type.pointers === 0 ? type.name === "auto" : type.name === "void";
    if (keeps) return value;
    if (type.pointers === 0) return { ...value, element: byteElement, extents: [] };
    const element = this.element({ name: type.name, pointers: type.pointers - 1 });
    return { ...value, element, extents: extents ?? (element.bytes === value.element.bytes ? value.extents : []) };
  }

  /** Gives a variable a value where the current lanes take part. */
  assign(name: string, value: Value, scope: Scope): void {
    const holder = scope.holder(name) ?? scope;
    const old = holder.lookUp(name);
    for (const journal of this.#journals) {
      const entries = journal.get(holder) ?? new Map<string, Value | undefined>();
      if (!entries.has(name)) entries.set(name, old);
      journal.set(holder, entries);
    }
    holder.declare(name, this.#blend(value, old));
  }

  #blend(value: Value, old: Value | undefined): Value {
    if (this.mask === undefined || old === undefined || old.kind !== value.kind) return value;
    if (value.kind === "number" && old.kind === "number") {
      return numberValue(select(this.mask, value.lanes, old.lanes), value.arithmetic);
    }
    if (value.kind === "pointer" && old.kind === "pointer" && value.buffer === old.buffer) {
      return { ...value, offset: select(this.mask, value.offset, old.offset) };
    }
    return value;
  }

  /** Runs `work` without recording and undoes its assignments; returns them. */
  tryOut(work: () => void): Journal {
    const journal: Journal = new Map();
    const { mask } = this;
    const { returned } = this.#frame;
    this.#journals.push(journal);
    this.silent++;
    try {
      work();
    } finally {
      this.silent--;
      this.#journals.pop();
      this.mask = mask;
      this.#frame.returned = returned;
    }
    return journal;
  }

  /** Runs `work` for the lanes where the condition is not 0, counting it `share` times; false where there are none. */
  within(condition: Lanes | undefined, share: number, work: () => void): boolean {
    const { mask, weight } = this;
    this.mask = condition === undefined ? mask : intersect(mask, condition);
    this.weight *= share;
    const taken = this.recorder.issues(this) > 0;
    if (taken) work();
    this.mask = mask;
    this.weight = weight;
    return taken;
  }

  #visitIf(statement: Statement & { kind: "if" }, scope: Scope): void {
    const condition = lanesOf(evaluate(this, statement.condition, scope));
    this.count("branch");
    const { share, lanes } = this.#conditionShare(condition);
    const taken = this.within(lanes, share, () => this.visit(statement.yes, new Scope(scope)));
    // Of a loop one iteration is looked at: others may take what this one does not.
    if (!taken && this.loops.length > 0 && this.silent === 0) this.recorder.unseen = true;
    const { no } = statement;
    if (no) this.within(not(lanes), 1 - share || 1, () => this.visit(no, new Scope(scope)));
  }

  /** How often a condition holds, and for which lanes; one that changes from iteration to iteration holds in part. */
  #conditionShare(condition: Lanes): { readonly share: number; readonly lanes: Lanes } {
    const first = at(condition, 0);
    if (Number.isNaN(first)) return { share: 0.5, lanes: Number.NaN };
    for (const { depth, trips } of this.loops) {
      const next = at(condition, firstLoopPoint + depth);
      if (Number.isNaN(next) || (next === 0) === (first === 0)) continue;
      const once = 1 / Math.max(1, trips);
      return { share: first === 0 ? 1 - once : once, lanes: Number.NaN };
    }
    return { share: 1, lanes: condition };
  }

  #visitSwitch(statement: Statement & { kind: "switch" }, scope: Scope): void {
    evaluate(this, statement.value, scope);
    this.count("branch");
    this.within(Number.NaN, 0.5, () => this.visit(statement.body, scope));
  }

  #visitReturn(expression: Expression | undefined, scope: Scope): void {
    const frame = this.#frame;
    if (expression) {
      const value = evaluate(this, expression, scope);
      frame.result = frame.result ? this.#blend(value, frame.result) : value;
    }
    const leaving = this.mask ?? 1;
    frame.returned = uniform(frame.returned === undefined ? leaving : combine(frame.returned, leaving, either));
  }

  /** Reads a function's body in place of a call. */
  call(definition: FunctionDefinition, given: readonly Value[], scope: Scope): Value {
    if (this.#calls >= deepestCall) return unknownNumber;
    const inner = new Scope(scope);
    definition.parameters.forEach((parameter, index) => {
      const value = given[index] ?? unknownNumber;
      inner.declare(parameter.name, parameter.reference ? value : this.convert(value, parameter.type));
    });
    const outer = { frame: this.#frame, mask: this.mask };
    this.#frame = { returned: undefined, result: undefined };
    this.#calls++;
    this.visit(definition.body, inner);
    this.#calls--;
    const { result } = this.#frame;
    this.#frame = outer.frame;
    this.mask = outer.mask;
    return this.convert(result ?? unknownNumber, definition.returns);
  }

  /** What the trial under way has assigned. */
  get journal(): ReadonlyMap<Scope, ReadonlyMap<string, Value | undefined>> | undefined {
    return this.#journals.at(-1);
  }

  /** Depth of a loop opened here. */
  get loopDepth(): number {
    return Math.min(deepestLoop, this.loops.length);
  }
}

const byteElement: ElementType = { bytes: 1, arithmetic: "integer" };

function either(a: number, b: number): number {
  return a === 1 || b === 1 ? 1 : a === 0 ? b : a;
}

function not(condition: Lanes): Lanes {
  return map(condition, (x) => (Number.isNaN(x) ? x : x === 0 ? 1 : 0));
}

function intersect(mask: Lanes | undefined, condition: Lanes): Lanes {
  const truth = map(condition, (x) => (Number.isNaN(x) ? x : x === 0 ? 0 : 1));
  if (mask === undefined) return truth;
  return combine(mask, truth, (a, b) => (a === 0 || b === 0 ? 0 : a + b === 2 ? 1 : Number.NaN));
}

/** A mask with every point alike as a number. */
function uniform(lanes: Lanes): Lanes {
  if (typeof lanes === "number") return lanes;
  for (let point = 1; point < pointCount; point++) if (!Object.is(lanes[point], lanes[0])) return lanes;
  return lanes[0] as number;
}
