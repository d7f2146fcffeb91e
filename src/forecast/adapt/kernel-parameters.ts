import { lexCuda, resolveLaunch, type CudaToken, type Kernel, type Task } from "../../domain/index.ts";

/**
 * The numbers that a kernel is tuned by: geometry and shared memory of its launches, and numbers to which its source or its
 * compile options give a name, by `#define`, `const` or `-D`.
 */
export function kernelParameters(kernel: Kernel, { workload }: Pick<Task, "workload">): ReadonlyMap<string, number> {
  const parameters = new Map<string, number>();
  for (const [index, launch] of kernel.launches.entries()) {
    const { grid, block, smemBytes } = resolveLaunch(launch, workload.sizes);
    for (const [place, value] of [...grid, ...block, smemBytes].entries()) {
      parameters.set(`launch ${index} ${place}`, value);
    }
  }
  const tokens = lexCuda(kernel.source).filter(({ kind }) => kind !== "space" && kind !== "comment");
  for (const [name, value] of [...definedNumbers(tokens), ...constantNumbers(tokens), ...optionNumbers(kernel)]) {
    if (Number.isFinite(value)) parameters.set(`named ${name}`, value);
  }
  return parameters;
}

type NamedNumber = readonly [name: string, value: number];

/** `#define TILE 32`, in parentheses or not, where nothing else follows. */
function* definedNumbers(tokens: readonly CudaToken[]): Generator<NamedNumber> {
  for (const [at, { text }] of tokens.entries()) {
    if (text !== "define" || tokens[at - 1]?.text !== "#") continue;
    const name = tokens[at + 1]?.text ?? "";
    const line: string[] = [];
    for (let next = at + 2; next < tokens.length && tokens[next]?.kind !== "newline"; next++) {
      line.push(tokens[next]?.text ?? "");
    }
    yield [name, numberOf(line.join("").replace(/^\((.*)\)$/, "$1"))];
  }
}

/** `constexpr int TILE = 32`: a name before an equals sign and a number alone after it. */
function* constantNumbers(tokens: readonly CudaToken[]): Generator<NamedNumber> {
  let isConstant = false;
  for (const [at, { text }] of tokens.entries()) {
    if (text === "const" || text === "constexpr") isConstant = true;
    else if (["{", "(", ")", ";"].includes(text)) isConstant = false;
    else if (text === "=" && isConstant) yield* assignedNumber(tokens, at);
  }
}

function* assignedNumber(tokens: readonly CudaToken[], equals: number): Generator<NamedNumber> {
  const [name, value, end] = [tokens[equals - 1], tokens[equals + 1], tokens[equals + 2]];
  const isAlone = end?.text === ";" || end?.text === ",";
  if (name?.kind === "identifier" && value?.kind === "number" && isAlone) yield [name.text, numberOf(value.text)];
}

function* optionNumbers({ compileOptions }: Kernel): Generator<NamedNumber> {
  for (const option of compileOptions) {
    const [, name, value = "1"] = /^-D\s*(\w+)(?:=(.*))?$/.exec(option) ?? [];
    if (name !== undefined) yield [name, numberOf(value)];
  }
}

/** A number as CUDA spells it; NaN for anything else. */
function numberOf(text: string): number {
  const suffixes = /^-?0[xX]/.test(text) ? /[uUlL]+$/ : /(?<=[\d.])[uUlLfF]+$/;
  const digits = text.replaceAll("'", "").replace(suffixes, "");
  return digits === "" ? Number.NaN : Number(digits);
}
