import { adapterDigest } from "./adapter-file.ts";
import { fileDigest } from "./file-digest.ts";
import type { GgufSpecification } from "./specification.ts";

/** What a model in files is known by, wherever they lie: their content. Throws where a file is not there. */
export function ggufIdentity({ file, adapter }: GgufSpecification): string {
  const base = `gguf ${fileDigest(file)}`;
  return adapter === undefined ? base : `${base} adapter ${adapterDigest(adapter)}`;
}
