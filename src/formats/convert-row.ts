import type { z } from "zod";
import { KernelcastError } from "../domain/index.ts";
import { describeIssue } from "./load-task.ts";
import type { Row } from "./parquet-table.ts";
import type { LocatedRow } from "./table-files.ts";

/** Checks a row and builds a value of it. Throws `KernelcastError("recording", …)` that names the place and the fault. */
export function convert<S extends z.ZodType, T>(
  { row, place }: LocatedRow,
  schema: S,
  build: (row: z.output<S>) => T,
): T {
  const parsed = schema.safeParse(row);
  if (parsed.success) return located(place, () => build(parsed.data));
  throw new KernelcastError("recording", `${place}: ${rowFault(row, parsed.error.issues[0])}`);
}

/** Puts the place before whatever fault `build` finds. */
export function located<T>(place: string, build: () => T): T {
  try {
    return build();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new KernelcastError("recording", `${place}: ${message}`, { cause });
  }
}

function rowFault(row: Row, issue: z.core.$ZodIssue | undefined): string {
  const column = issue?.path[0];
  if (issue && issue.path.length === 1 && typeof column === "string" && (row[column] ?? null) === null) {
    return `"${column}" is missing`;
  }
  return describeIssue(issue);
}
