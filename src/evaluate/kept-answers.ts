import type { JudgedAnswers } from "./judge-forecaster.ts";

/** Answers as one line of JSON, to be scored later or beside others. */
export function packAnswers(answers: JudgedAnswers): string {
  return JSON.stringify({ ...answers, log2Us: [...answers.log2Us] });
}

/** What `packAnswers` made into a line; only such lines may be given. */
export function unpackAnswers(line: string): JudgedAnswers {
  const kept = JSON.parse(line) as Omit<JudgedAnswers, "log2Us"> & { readonly log2Us: [string, number][] };
  const judged = kept.judged.map(({ templateId, log2Us, ...one }) => ({ ...one, templateId, log2Us }));
  return { ...kept, judged, log2Us: new Map(kept.log2Us) };
}
