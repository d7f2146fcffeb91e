import { dtypeOf, parseCudaKernels, type CudaParameter, type Dtype } from "../domain/index.ts";

/** Gives the type of a kernel's parameter of an index, for numbers that come without one. */
export type DeclaredType = (index: number) => Dtype | undefined;

/**
 * The types that a source declares for the parameters of a launch's kernel. The name may be an instance of a template
 * (`scale<float, 4>`), whose arguments then stand for the template's parameters; `using`, `typedef` and `#define` of a
 * plain type are followed. Parses nothing before it is asked.
 */
export function declaredTypes(source: string, launched: string): DeclaredType {
  let parameters: readonly CudaParameter[] | undefined;
  const name = launched.replace(/<[^]*$/, "").trim();
  return (index) => {
    parameters ??= parseCudaKernels(source).find((kernel) => kernel.name === name)?.parameters ?? [];
    const parameter = parameters[index];
    if (!parameter || parameter.dtype || parameter.pointer) return parameter?.dtype;
    const type = plainType(parameter);
    return dtypeOf(templateArgument(source, name, launched, type) ?? aliasOf(source, type) ?? type);
  };
}

function plainType({ text, name }: CudaParameter): string {
  return text
    .replace(/=.*$/, "")
    .replace(/\b(const|volatile|typename)\b/g, "")
    .replace(new RegExp(`\\b${name}\\s*$`), "")
    .trim();
}

function templateArgument(source: string, name: string, launched: string, type: string): string | undefined {
  const given = /<([^]*)>\s*$/.exec(launched)?.[1]?.split(",") ?? [];
  const pattern = new RegExp(
    `template\\s*<([^<>]*)>[^;{}]*__global__[^;{}(]*(?:\\([^()]*\\)[^;{}(]*)?\\b${name}\\s*\\(`,
  );
  const declared = pattern.exec(source)?.[1]?.split(",") ?? [];
  const at = declared.findIndex((parameter) => new RegExp(`\\b(typename|class)\\s+${type}\\b`).test(parameter));
  return at < 0 ? undefined : (given[at] ?? /=\s*(.+)$/.exec(declared[at] ?? "")?.[1])?.trim();
}

function aliasOf(source: string, type: string): string | undefined {
  if (!/^\w+$/.test(type)) return undefined;
  const found =
    new RegExp(`\\busing\\s+${type}\\s*=\\s*([^;]+);`).exec(source) ??
    new RegExp(`\\btypedef\\s+([^;]+?)\\s+${type}\\s*;`).exec(source) ??
    new RegExp(`^\\s*#\\s*define\\s+${type}\\s+(.+)$`, "m").exec(source);
  return found?.[1]?.trim();
}
