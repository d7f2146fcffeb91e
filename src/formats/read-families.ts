import { KernelcastError, suggestion } from "../domain/index.ts";
import { readTable } from "./table-files.ts";

/** What is told of where a kernel file comes from. */
export interface Family {
  /** The name of its parent's file, `seed`, the id of a kernel, or null for none; undefined where nothing is said. */
  readonly parent?: string | null | undefined;
  readonly idea?: string | undefined;
  readonly templateId?: string | undefined;
}

/**
 * Reads lines `{file, parent?, idea?, template_id?}`, by file; other members are ignored. Throws one line for a file that is not among
 * those given, where some are.
 */
export async function readFamilies(path: string, files?: readonly string[]): Promise<ReadonlyMap<string, Family>> {
  const families = new Map<string, Family>();
  for (const { row, place } of await readTable([path], { required: ["file"] })) {
    const file = String(row["file"]);
    if (files && !files.includes(file)) {
      throw new KernelcastError("recording", `${place}: there is no file "${file}"${suggestion(file, files)}`);
    }
    families.set(file, {
      parent: textOrNull(row["parent"]),
      idea: textOrNull(row["idea"]) ?? undefined,
      templateId: textOrNull(row["template_id"]) ?? undefined,
    });
  }
  return families;
}

function textOrNull(value: unknown): string | null | undefined {
  return value === null || value === "" ? null : typeof value === "string" ? value : undefined;
}
