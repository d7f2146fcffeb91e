import { keyedUniform } from "../../../domain/index.ts";

/**
 * Marks around texts of others, with a key that none of these texts holds: what is inside cannot close its own mark. A
 * function of the seed and the texts alone.
 */
export function chooseFenceKey(texts: readonly string[], seed: number, about: string): string {
  for (let attempt = 0; ; attempt++) {
    const key = Math.floor(keyedUniform(seed, "prompt-fence", about, attempt) * 2 ** 40)
      .toString(36)
      .padStart(8, "0");
    if (!texts.some((text) => text.includes(key))) return key;
  }
}

export function fenced(key: string, title: string, body: string): string {
  return `<<<${key} ${title}\n${body.trimEnd()}\n${key}>>>`;
}
