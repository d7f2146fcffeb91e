/** Whose answers decide which kernels are scored: those of any, or of all of the forecasters asked for. */
export const answeredBy = ["any", "all"] as const;

export type AnsweredBy = (typeof answeredBy)[number];
