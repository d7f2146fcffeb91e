import type { Kernel, Task } from "../domain/index.ts";
import { reservedWords, type Vocabulary } from "../forecast/embedded/tokenizer.ts";
import { kernelWords } from "../forecast/source/words.ts";

/** A kernel with its task, whose family counts. */
export interface VocabularySource {
  readonly task: Task;
  readonly kernel: Kernel;
}

/** Words seen in fewer families are spelt or become slots. */
const leastFamilies = 2;

/** Names that a program never declares itself: they are the language's. */
const languageName =
  /^(__\w+|threadIdx|blockIdx|blockDim|gridDim|warpSize|asm|half2?|nv_bfloat16\d?|__half2?|(u?(char|short|int|long|longlong)|float|double)[1-4]?|dim3|u?int(8|16|32|64)_t|size_t|dst|nvcuda|wmma|namespace|cooperative_groups|cg|auto|bool|break|case|class|const|constexpr|continue|decltype|default|do|else|enum|extern|false|for|goto|if|inline|inout|operator|public|private|reinterpret_cast|restrict|return|signed|sizeof|static|static_cast|static_assert|struct|switch|template|this|true|typedef|typename|union|unsigned|using|void|volatile|while|register|alignas|unroll)$/;

/**
 * The words of a corpus that several families use: the language's names, punctuation, and common numbers. Names of which more
 * than a tenth of the sources that hold them seem to declare them are the programs' own and stay out. Deterministic.
 */
export function buildVocabulary(sources: readonly VocabularySource[], largest: number): Vocabulary {
  const uses = new Map<
    string,
    { readonly families: Set<string>; sources: number; declared: number; number: boolean }
  >();
  for (const { task, kernel } of sources) {
    const words = kernelWords(kernel, task);
    const seen = new Set<string>();
    words.forEach(({ kind, text }, place) => {
      if (seen.has(text)) return;
      seen.add(text);
      const use = uses.get(text) ?? { families: new Set<string>(), sources: 0, declared: 0, number: kind === "number" };
      uses.set(text, use);
      use.families.add(task.family);
      use.sources++;
      if (kind === "name" && seemsDeclared(words[place - 1]?.text ?? "", words[place - 1]?.kind === "name"))
        use.declared++;
    });
  }
  const reserved = new Set(reservedWords);
  return {
    words: [...uses]
      .filter(([text, { families, sources: count, declared }]) => {
        if (reserved.has(text) || families.size < leastFamilies) return false;
        return languageName.test(text) || declared <= count / 10;
      })
      .toSorted(([a, first], [b, second]) => second.sources - first.sources || (a < b ? -1 : 1))
      .slice(0, largest)
      .map(([text]) => text),
  };
}

/** A declaration's name follows a type: a name that is no operator word, or what ends a pointer or template type. */
function seemsDeclared(before: string, isName: boolean): boolean {
  if (isName) return !/^(return|else|do|case|goto|sizeof|throw)$/.test(before);
  return before === "<launch>" || before === "*" || before === "&" || before === ">";
}
