import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { keyedShuffle } from "../../../src/domain/index.ts";
import type { GeneratedKernel } from "./expand.ts";

const run = promisify(execFile);

/** A kernel that the compiler refused, with the first line of what it said. */
export interface Refusal {
  readonly templateId: string;
  readonly idea: string;
  readonly error: string;
}

/**
 * Compiles with the toolkit's nvcc, which needs no GPU: the first kernel of every template, then a keyed sample of
 * the rest, `limit` in all. The worker compiles with NVRTC, which has no host headers; includes of those
 * are refused here as well.
 */
export async function compileSample(kernels: readonly GeneratedKernel[], limit: number): Promise<Refusal[]> {
  const folder = await mkdtemp(join(tmpdir(), "kernelcast-compile-"));
  try {
    const queue = sample(kernels, limit).map((kernel, index) => ({ kernel, path: join(folder, `${index}.cu`) }));
    const refusals: Refusal[] = [];
    const work = async (): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const error = await compile(next.kernel, next.path);
        if (error !== undefined) refusals.push({ templateId: next.kernel.templateId, idea: next.kernel.idea, error });
      }
    };
    await Promise.all([work(), work()]);
    return refusals;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function sample(kernels: readonly GeneratedKernel[], limit: number): readonly GeneratedKernel[] {
  const firsts = kernels.filter(
    ({ templateId }, index) => kernels.findIndex((kernel) => kernel.templateId === templateId) === index,
  );
  const rest = keyedShuffle(
    kernels.filter((kernel) => !firsts.includes(kernel)),
    1,
    "compile",
  );
  return [...firsts, ...rest].slice(0, limit);
}

const deviceHeaders = /^(cuda_\w+|mma|cooperative_groups|cooperative_groups\/\w+|cuda\/\w+|sm_\w+)(\.h|\.hpp)?$/;

async function compile({ kernel }: GeneratedKernel, path: string): Promise<string | undefined> {
  for (const [, header = ""] of kernel.source.matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm))
    if (!deviceHeaders.test(header)) return `includes ${header}, which NVRTC does not have`;
  await writeFile(path, kernel.source);
  try {
    await run("nvcc", ["-arch=sm_90a", "-std=c++17", "-cubin", "-o", `${path}.cubin`, ...kernel.compileOptions, path]);
    return undefined;
  } catch (error) {
    const { stderr = "", message } = error as Error & { stderr?: string };
    return stderr.split("\n").find((line) => /error/i.test(line)) ?? message;
  }
}
