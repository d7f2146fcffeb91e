export * from "./bootstrap.ts";
export * from "./calibration-error.ts";
export * from "./isotonic.ts";
export * from "./normal.ts";
export * from "./paired-tests.ts";
export * from "./rank.ts";
export * from "./student-t.ts";
export * from "./summary.ts";
