import { KernelcastError } from "../domain/index.ts";

/** One word for a POSIX shell: as it is where that is safe, else in single quotes. */
export function quoteWord(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * Splits a command as a shell does, with quotes and backslashes but no expansions. Throws `KernelcastError("usage", …)`
 * for an unfinished quote.
 */
export function splitWords(command: string): string[] {
  const words: string[] = [];
  let rest = command.trimStart();
  while (rest !== "") {
    const [word, length] = firstWord(rest, command);
    words.push(word);
    rest = rest.slice(length).trimStart();
  }
  return words;
}

/** A piece of a word: single-quoted, double-quoted, an escaped character, or plain. */
const piece = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)"|\\([\s\S])|([^\s'"\\]+))/;

function firstWord(text: string, command: string): [word: string, length: number] {
  let word = "";
  let at = 0;
  while (at < text.length && !/\s/.test(text[at] ?? "")) {
    const match = piece.exec(text.slice(at));
    if (!match) throw new KernelcastError("usage", `"${command}": a quote or backslash is not finished`);
    const [whole, single, double, escaped, plain] = match;
    word += single ?? double?.replaceAll(/\\(["\\$`])/g, "$1") ?? escaped ?? plain ?? "";
    at += whole.length;
  }
  return [word, at];
}
