/**
 * Failures that a user can act on. `usage`: wrong flags or arguments (exit 2); `task`, `recording`, `device`,
 * `store`, `model`: a file or service that the user named is wrong or unreachable (exit 1); `interrupted`: Ctrl-C
 * (exit 130); `internal`: a fault of kernelcast itself (exit 1).
 */
export type ErrorCode = "usage" | "task" | "recording" | "device" | "store" | "model" | "interrupted" | "internal";

const marker = Symbol.for("kernelcast.error");

/** The one error class: a single line that says what is wrong, where, and what to do. */
export class KernelcastError extends Error {
  readonly code: ErrorCode;
  readonly [marker] = true;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "KernelcastError";
    this.code = code;
  }

  /** Recognises the class across duplicate installations of the package. */
  static isInstance(value: unknown): value is KernelcastError {
    return typeof value === "object" && value !== null && marker in value;
  }
}
