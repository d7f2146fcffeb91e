import { KernelcastError, suggestion } from "../domain/index.ts";

/** A name in the one grammar `kind:detail`; the detail may be empty. */
export interface Specification {
  readonly kind: string;
  readonly detail: string;
  /** As the user wrote it. */
  readonly text: string;
}

/** Splits `kind:detail` at the first colon and checks the kind. Throws `KernelcastError("usage", …)`. */
export function parseSpecification(flag: string, text: string, kinds: readonly string[]): Specification {
  const colon = text.indexOf(":");
  const kind = colon < 0 ? text : text.slice(0, colon);
  if (!kinds.includes(kind)) {
    throw new KernelcastError(
      "usage",
      `--${flag} ${text}: unknown kind "${kind}" (known: ${kinds.join(", ")})${suggestion(kind, kinds)}`,
    );
  }
  return { kind, detail: colon < 0 ? "" : text.slice(colon + 1), text };
}
