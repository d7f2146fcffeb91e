/** Text of another program on one line: what it prints must not steer the user's terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, " ").trim();
}

/** The last line of what a program said, printable and short; undefined where it said nothing. */
export function lastLine(text: string): string | undefined {
  const line = printable(text.trimEnd().split("\n").at(-1) ?? "");
  return line ? line.slice(0, 300) : undefined;
}
