#!/usr/bin/env node
import { existsSync } from "node:fs";

const main = new URL("../dist/cli/main.js", import.meta.url);
if (existsSync(main)) {
  const program = await import(main.href);
  await program.main(process.argv.slice(2));
} else {
  process.stderr.write("kernelcast: dist/ is missing; run `npm run build` in the package's folder\n");
  process.exitCode = 1;
}
