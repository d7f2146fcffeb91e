import {
  dtypes,
  KernelcastError,
  type ArgumentRole,
  type Dtype,
  findHostCode,
  parseCudaKernels,
  requireCallable,
  type CudaKernel,
  type CudaParameter,
} from "../domain/index.ts";

type Named = Readonly<Record<string, string>>;

/** What the user said about a kernel file, as written; whatever is absent has a default or becomes a question. */
export interface InitAnswers {
  /** Kernels in launch order. */
  readonly kernels: readonly string[];
  readonly sizes: Named;
  readonly roles: Named;
  readonly shapes: Named;
  readonly dtypes: Named;
  readonly draws: Named;
  readonly scalars: Named;
  /** Of each launch, in order: up to three expressions with commas between. */
  readonly grids: readonly string[];
  readonly blocks: readonly string[];
  readonly smems: readonly string[];
}

export const noAnswers: InitAnswers = {
  kernels: [],
  sizes: {},
  roles: {},
  shapes: {},
  dtypes: {},
  draws: {},
  scalars: {},
  grids: [],
  blocks: [],
  smems: [],
};

/** Something that only the user knows. Its answer goes to `answers[field]`, under `key` or at the end of the list. */
export interface InitQuestion {
  readonly field: keyof InitAnswers;
  /** Empty where the answer is appended to a list. */
  readonly key: string;
  readonly message: string;
  /** A flag that would answer it. */
  readonly flag: string;
  readonly suggestion?: string;
  readonly choices?: readonly string[];
}

/** A pointer of the chosen kernels. */
export interface PlannedArgument {
  readonly name: string;
  readonly dtype: Dtype;
  readonly role: ArgumentRole;
  readonly shape: readonly string[];
}

export interface PlannedLaunch {
  readonly kernel: CudaKernel;
  readonly grid: readonly string[];
  readonly block: readonly string[];
  readonly smem: string;
  /** As in `task.yaml`: names, or a type with a value. */
  readonly args: readonly (string | readonly [Dtype, string])[];
}

/** Either all that is needed, or what must be asked next. `notes` say in one line each what was assumed. */
export type InitPlan =
  | { readonly complete: false; readonly questions: readonly InitQuestion[] }
  | {
      readonly complete: true;
      readonly args: readonly PlannedArgument[];
      readonly launches: readonly PlannedLaunch[];
      readonly sizes: Readonly<Record<string, number>>;
      readonly notes: readonly string[];
    };

/**
 * Reads a kernel file and puts it together with the answers so far. Throws `KernelcastError("task", …)` for a file that
 * cannot become a seed, and `KernelcastError("usage", …)` for an answer about something that is not there.
 */
export function planInit(source: string, path: string, answers: InitAnswers): InitPlan {
  const found = readKernels(source, path);
  const chosen = chooseKernels(found, answers.kernels, path);
  if (!chosen) return { complete: false, questions: [kernelQuestion(found)] };
  chosen.forEach(requireCallable);
  const sizes = Object.fromEntries(Object.entries(answers.sizes).map(([name, text]) => [name, toSize(name, text)]));
  const pointers = mergePointers(chosen);
  checkNames(chosen, pointers, answers);
  checkLaunchCount(chosen, answers);
  const questions = [
    ...typeQuestions(pointers, answers),
    ...valueQuestions(chosen, answers),
    ...shapeQuestions(pointers, answers),
    ...geometryQuestions(chosen, answers),
  ];
  if (questions.length > 0) return { complete: false, questions };
  const args = pointers.map((pointer) => toArgument(pointer, answers));
  return {
    complete: true,
    args,
    launches: chosen.map((kernel, index) => toLaunch(kernel, index, answers)),
    sizes,
    notes: assumptions(args, answers),
  };
}

function readKernels(source: string, path: string): readonly CudaKernel[] {
  const host = findHostCode(source);
  if (host !== undefined) {
    throw new KernelcastError("task", `${path} holds host code (${host}); leave only the kernels and what they call`);
  }
  const kernels = parseCudaKernels(source);
  if (kernels.length === 0) throw new KernelcastError("task", `${path} defines no __global__ function`);
  return kernels;
}

function chooseKernels(
  found: readonly CudaKernel[],
  names: readonly string[],
  path: string,
): readonly CudaKernel[] | undefined {
  if (names.length === 0) return found.length === 1 ? found : undefined;
  return names.map((name) => {
    const kernel = found.find((other) => other.name === name);
    if (kernel) return kernel;
    const known = found.map((other) => other.name).join(", ");
    throw new KernelcastError("usage", `--kernel ${name}: ${path} has no such __global__ function (it has ${known})`);
  });
}

function kernelQuestion(found: readonly CudaKernel[]): InitQuestion {
  const names = found.map(({ name }) => name);
  return {
    field: "kernels",
    key: "",
    message: `which kernels are launched, in order? (${names.join(", ")})`,
    flag: names.map((name) => `--kernel ${name}`).join(" "),
    suggestion: names.join(", "),
  };
}

/** One entry per pointer name; written anywhere is written. */
function mergePointers(kernels: readonly CudaKernel[]): readonly CudaParameter[] {
  const merged = new Map<string, CudaParameter>();
  for (const parameter of kernels.flatMap(({ parameters }) => parameters.filter(({ pointer }) => pointer))) {
    const known = merged.get(parameter.name);
    if (known?.dtype && parameter.dtype && known.dtype !== parameter.dtype) {
      throw new KernelcastError(
        "task",
        `"${parameter.name}" is ${known.dtype} in one kernel and ${parameter.dtype} in another; give them different names`,
      );
    }
    merged.set(parameter.name, { ...parameter, readOnly: parameter.readOnly && (known?.readOnly ?? true) });
  }
  return [...merged.values()];
}

function checkNames(kernels: readonly CudaKernel[], pointers: readonly CudaParameter[], answers: InitAnswers): void {
  const arrays = new Set(pointers.map(({ name }) => name));
  for (const [flag, named] of [
    ["role", answers.roles],
    ["shape", answers.shapes],
    ["draw", answers.draws],
    ["dtype", answers.dtypes],
  ] as const) {
    const unknown = Object.keys(named).find((name) => !arrays.has(name));
    if (unknown !== undefined) {
      throw new KernelcastError(
        "usage",
        `--${flag} ${unknown}=…: no pointer of that name (there are ${[...arrays].join(", ")})`,
      );
    }
  }
  const scalars = new Set(
    kernels.flatMap(({ parameters }) => parameters.filter(({ pointer }) => !pointer).map(({ name }) => name)),
  );
  const unknown = Object.keys(answers.scalars).find((name) => !scalars.has(name));
  if (unknown !== undefined) {
    throw new KernelcastError(
      "usage",
      `--scalar ${unknown}=…: no scalar parameter of that name (there are ${[...scalars].join(", ") || "none"})`,
    );
  }
}

/** More grids or blocks than launches are a misunderstanding, not to be passed over. */
function checkLaunchCount(kernels: readonly CudaKernel[], { grids, blocks, smems }: InitAnswers): void {
  for (const [flag, given] of Object.entries({ grid: grids, block: blocks, smem: smems })) {
    if (given.length <= kernels.length) continue;
    const launches = kernels.length === 1 ? "one launch" : `${kernels.length} launches`;
    throw new KernelcastError(
      "usage",
      `--${flag} is given ${given.length} times for ${launches}; the dimensions of a launch go into one flag, as --${flag} "16, 16"`,
    );
  }
}

function dtypeOfParameter({ name, dtype }: CudaParameter, answers: InitAnswers): Dtype | undefined {
  const said = answers.dtypes[name];
  if (said === undefined) return dtype;
  const known = dtypes.find((other) => other === said);
  if (!known) throw new KernelcastError("usage", `--dtype ${name}=${said}: not one of ${dtypes.join(", ")}`);
  return known;
}

function typeQuestions(pointers: readonly CudaParameter[], answers: InitAnswers): InitQuestion[] {
  return pointers
    .filter((pointer) => dtypeOfParameter(pointer, answers) === undefined)
    .map(({ name, text }) => ({
      field: "dtypes",
      key: name,
      message: `element type of ${name} (declared "${text}")`,
      flag: `--dtype ${name}=f32`,
      choices: dtypes,
    }));
}

function isFloating(dtype: Dtype | undefined): boolean {
  return dtype === "f64" || dtype === "f32" || dtype === "f16" || dtype === "bf16";
}

/** Integer parameters are sizes unless a value is given; floating ones need a value. */
function valueQuestions(kernels: readonly CudaKernel[], answers: InitAnswers): InitQuestion[] {
  const scalars = kernels.flatMap(({ parameters }) => parameters.filter(({ pointer }) => !pointer));
  const open = scalars.filter(({ name }) => answers.sizes[name] === undefined && answers.scalars[name] === undefined);
  const unique = [...new Map(open.map((parameter) => [parameter.name, parameter])).values()];
  const questions = unique.map(valueQuestion);
  if (questions.length > 0 || Object.keys(answers.sizes).length > 0) return questions;
  return [{ field: "sizes", key: "n", message: "the size n that shapes are made of", flag: "--size n=1048576" }];
}

function valueQuestion(parameter: CudaParameter): InitQuestion {
  const { name, text, dtype } = parameter;
  if (dtype === undefined) {
    throw new KernelcastError(
      "task",
      `parameter "${text}" is neither a pointer nor a number; pass its members as parameters`,
    );
  }
  if (/\bbool\b/.test(text))
    return {
      field: "scalars",
      key: name,
      message: `value of ${name} (declared "${text}")`,
      flag: `--scalar ${name}=1`,
    };
  return isFloating(dtype)
    ? { field: "scalars", key: name, message: `value of ${name} (declared "${text}")`, flag: `--scalar ${name}=1.0` }
    : { field: "sizes", key: name, message: `size ${name} (declared "${text}")`, flag: `--size ${name}=1048576` };
}

function shapeQuestions(pointers: readonly CudaParameter[], answers: InitAnswers): InitQuestion[] {
  const sizes = Object.keys(answers.sizes);
  if (sizes.length < 2) return [];
  return pointers
    .filter(({ name }) => answers.shapes[name] === undefined)
    .map(({ name }) => ({
      field: "shapes",
      key: name,
      message: `shape of ${name}, over the sizes ${sizes.join(", ")}`,
      flag: `--shape ${name}=${sizes.join(",")}`,
    }));
}

function geometryQuestions(kernels: readonly CudaKernel[], answers: InitAnswers): InitQuestion[] {
  const [size = "n"] = Object.keys(answers.sizes);
  return kernels.flatMap((kernel, index): InitQuestion[] => {
    const block = String(kernel.launchBounds ?? 256);
    const of = kernels.length > 1 ? ` of ${kernel.name} (launch ${index + 1})` : "";
    const questions: InitQuestion[] = [];
    if (answers.grids.length <= index) {
      const suggestion = `ceil_div(${size}, ${block})`;
      questions.push({ field: "grids", key: "", message: `grid${of}`, flag: `--grid "${suggestion}"`, suggestion });
    }
    if (answers.blocks.length <= index) {
      questions.push({ field: "blocks", key: "", message: `block${of}`, flag: `--block ${block}`, suggestion: block });
    }
    return questions;
  });
}

const roles: readonly ArgumentRole[] = ["in", "out", "inout", "scratch"];

function toArgument(pointer: CudaParameter, answers: InitAnswers): PlannedArgument {
  const { name, readOnly } = pointer;
  const said = answers.roles[name] ?? (readOnly ? "in" : "out");
  const role = roles.find((other) => other === said);
  if (!role) throw new KernelcastError("usage", `--role ${name}=${said}: not one of ${roles.join(", ")}`);
  const shape = splitExpressions(answers.shapes[name] ?? Object.keys(answers.sizes)[0] ?? "1");
  return { name, dtype: dtypeOfParameter(pointer, answers) ?? "f32", role, shape };
}

function toLaunch(kernel: CudaKernel, index: number, answers: InitAnswers): PlannedLaunch {
  return {
    kernel,
    grid: dimensions("grid", answers.grids[index] ?? ""),
    block: dimensions("block", answers.blocks[index] ?? ""),
    smem: answers.smems[index] ?? "0",
    args: kernel.parameters.map(({ name, pointer, dtype }) =>
      pointer ? name : ([dtype ?? "i32", answers.scalars[name] ?? name] as const),
    ),
  };
}

function dimensions(flag: string, text: string): readonly string[] {
  const parts = splitExpressions(text);
  if (parts.length > 3) throw new KernelcastError("usage", `--${flag} "${text}": more than three dimensions`);
  return [...parts, "1", "1"].slice(0, 3);
}

/** Splits at the commas that are not inside parentheses. */
export function splitExpressions(text: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const letter of text) {
    if (letter === "(") depth++;
    if (letter === ")") depth--;
    if (letter === "," && depth === 0) parts.push("");
    else parts.push((parts.pop() ?? "") + letter);
  }
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

function toSize(name: string, text: string): number {
  const value = Number(text.replaceAll("_", ""));
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new KernelcastError("usage", `--size ${name}=${text}: not a positive whole number`);
}

function assumptions(args: readonly PlannedArgument[], answers: InitAnswers): string[] {
  const guessed = args.filter(({ name }) => answers.roles[name] === undefined);
  const written = guessed.filter(({ role }) => role === "out").map(({ name }) => name);
  const shaped = args.filter(({ name }) => answers.shapes[name] === undefined).map(({ name }) => name);
  const notes: string[] = [];
  if (written.length > 0) {
    notes.push(
      `${written.join(", ")}: taken for out, as not const (--role NAME=inout when the old contents matter, NAME=scratch for a buffer between launches)`,
    );
  }
  if (shaped.length > 0)
    notes.push(`${shaped.join(", ")}: shape taken for [${Object.keys(answers.sizes)[0]}] (--shape NAME=…)`);
  return notes;
}
