/** What a user can get wrong in files and flags: one line that says what, where and what to do, and the right exit code. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  cli,
  copyTask,
  fixtures,
  hasWorkerPython,
  replaceIn,
  runCli,
  scratchFolder,
  type CliResult,
} from "./run-cli.ts";

const scratch = scratchFolder("bad-input");
afterAll(() => scratch.remove());

/** One line, nothing else, and the exit code. */
function expectOneLine(result: CliResult, code: number, message: RegExp): void {
  expect(result.stderr).toMatch(/^kernelcast: [^\n]+\n$/);
  expect(result.stderr).toMatch(message);
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: "" });
}

/** A search that would be short, but for what is wrong with it. */
function search(task: string, ...more: string[]): string[] {
  const short = ["--policy measure-all", "--measurements 3"].map((flag) => flag.split(" "));
  const unsaid = short.filter(([name = ""]) => !more.includes(name)).flat();
  return ["search", task, ...unsaid, "--json", "--workspace", scratch.next(), ...more];
}

describe.concurrent("a task with a fault", () => {
  const yaml = (from: string, to: string) => (folder: string) => replaceIn(join(folder, "task.yaml"), from, to);
  const shape = (value: string) => yaml("shape: [n], role: out", `shape: ${value}, role: out`);
  const whole = (text: string) => (folder: string) => writeFileSync(join(folder, "task.yaml"), text);
  const cases: readonly (readonly [string, (folder: string) => void, RegExp])[] = [
    [
      "an unknown key",
      yaml("family:", "colour: red\nfamily:"),
      /task\.yaml: unknown key "colour" \(known: task_id, .*tunables\)/,
    ],
    [
      "an unknown key inside",
      yaml("role: out }", "role: out, unit: m }"),
      /args\.1: unknown key "unit" \(known: name, dtype,/,
    ],
    ["a negative shape", shape("[-4]"), /args: shape of "out": -4 must be at least 1/],
    ["a shape of zero", shape("[0]"), /args: shape of "out": 0 must be at least 1/],
    ["a shape that comes to zero", shape('["n - 4096"]'), /shape of "out": "n - 4096" is 0, and must be at least 1/],
    ["a shape that is no integer", shape("[1.5]"), /args: shape of "out": 1\.5 is not an integer/],
    ["a shape that is not divisible", shape('["n / 3"]'), /shape of "out": .*not an integer \(use ceil_div/],
    ["a shape that is no list", shape("n"), /args\.1\.shape: .*expected array/],
    ["an empty shape", shape("[]"), /args\.1\.shape: /],
    ["a shape of objects", shape("[{ n: 1 }]"), /args\.1\.shape\.0: must be a number or an expression over the sizes/],
    ["a size of zero", yaml("{ n: 4096 }", "{ n: 0 }"), /sizes\.n: /],
    ["an expression that does not parse", shape('["n +"]'), /shape of "out": expression "n \+": Expected expression/],
    ["an unknown name", yaml("flops: n", "flops: 2*m"), /flops: expression "2\*m": unknown name "m" \(known: n\)/],
    ["code for an expression", yaml("flops: n", "flops: process.exit(7)"), /flops: .* only ceil_div, min, max can be/],
    ["negative work", yaml("flops: n", "flops: -5"), /flops: -5 must be at least 0/],
    ["a grid that does not parse", yaml("ceil_div(n, BLOCK * ITEMS)", "ceil_div(n, "), /seed\.launches\.0: expression/],
    [
      "a grid of zero",
      yaml('"ceil_div(n, BLOCK * ITEMS)"', "0"),
      /seed\.launches\.0: grid dimension "0" is 0; it must be at least 1/,
    ],
    [
      "a constraint that does not parse",
      yaml("BLOCK * ITEMS <= n", "BLOCK ** ITEMS"),
      /tunables\.constraints\.0: .*"\*\*" is not allowed/,
    ],
    [
      "an unknown argument in a launch",
      yaml("[x, out, {", "[x, y, {"),
      /seed\.launches: "y" is not an argument \(declared: x, out\)/,
    ],
    [
      "no reference",
      (folder) => rmSync(join(folder, "reference.py")),
      /cannot read the reference .*reference\.py: no such file; write it/,
    ],
    [
      "a reference without reference()",
      (folder) => writeFileSync(join(folder, "reference.py"), "x = 1\n"),
      /reference\.py does not define reference\(inputs, sizes\)/,
    ],
    [
      "no seed",
      (folder) => rmSync(join(folder, "seed.cu")),
      /cannot read the seed kernel .*seed\.cu: no such file; write it/,
    ],
    [
      "an input that nothing draws",
      yaml(", draw: { normal: { mean: 0, std: 1 } }", ""),
      /input "x" has no draw and reference\.py defines no make_inputs/,
    ],
    [
      "an id that is not the folder's",
      yaml("scale-vector", "other"),
      /task_id is "other" but the folder is "scale-vec/,
    ],
    ["YAML that ends early", yaml("{ n: 4096 }", "{ n: 4096"), /task\.yaml: not YAML: .* at line \d+, column \d+$/m],
    ["a tab for indentation", yaml("family:", "\tfamily:"), /not YAML: Tabs are not allowed .* at line 3/],
    ["a key twice", yaml("family:", "title: b\nfamily:"), /not YAML: Map keys must be unique at line 3/],
    ["an alias of nothing", yaml("elementwise", "*nothing"), /not YAML: Unresolved alias/],
    ["nothing in it", whole(""), /task\.yaml: .*expected object/],
    ["a list in its place", whole("- 1\n"), /task\.yaml: .*expected object/],
  ];
  it.each(cases)("%s", async (_title, edit, message) => {
    expectOneLine(await runCli(search(copyTask(scratch.next(), edit), "--device", "local")), 1, message);
  });

  it("no task.yaml, or no folder", async () => {
    mkdirSync(join(scratch.path, "bare"));
    expectOneLine(await runCli(search(join(scratch.path, "bare"))), 1, /bare: there is no task\.yaml in it; give/);
    expectOneLine(await runCli(search("tasks/no-such")), 1, /tasks\/no-such: no such folder; give/);
    expectOneLine(await runCli(search("no-such")), 1, /no task "no-such" in it \(it has: .*softmax-f32/);
    expectOneLine(await runCli(search("softmx-f32")), 1, /; did you mean softmax-f32\?$/m);
    expectOneLine(await runCli(search(".")), 1, /kernelcast: \.: there is no task\.yaml in it; give/);
  });

  it.skipIf(!hasWorkerPython).each([
    [
      "does not parse",
      "def reference(inputs, sizes):\n    return {\n",
      /reference failed on local: SyntaxError: .*line 2/,
    ],
    ["raises", "def reference(inputs, sizes):\n    return {'out': inputs['y']}\n", /failed on local: KeyError: 'y'/],
    ["forgets an output", "def reference(inputs, sizes):\n    return {}\n", /failed on local: .*returned no out/],
  ])("a reference that %s", async (_title, reference, message) => {
    const task = copyTask(scratch.next(), (folder) => writeFileSync(join(folder, "reference.py"), reference));
    expectOneLine(await runCli(search(task, "--device", "local")), 1, message);
  });
});

describe.concurrent("a recording with a fault", () => {
  const recording = (edit: (folder: string) => void = () => undefined): string => {
    const folder = scratch.next();
    mkdirSync(folder);
    const row = (value: object): string => `${JSON.stringify(value)}\n`;
    const task = {
      task_id: "t",
      args: [{ name: "out", dtype: "f32", shape: [4], role: "out" }],
      flops: 4,
      bytes_min: 16,
    };
    writeFileSync(
      join(folder, "tasks.jsonl"),
      row({ ...task, tolerance: { type: "exact" }, reference: "def reference(inputs, sizes):\n    return {}\n" }),
    );
    const launches = [{ kernel: "k", grid: [1, 1, 1], block: [4, 1, 1], args: ["out"] }];
    const kernel = (id: string, parent: string | null): string =>
      row({ kernel_id: id, task_id: "t", parent_id: parent, source: `// ${id}`, launches, compile_options: [] });
    writeFileSync(join(folder, "kernels.jsonl"), kernel("a", null) + kernel("b", "a"));
    const measured = (id: string): string =>
      row({ kernel_id: id, device: "gpu", status: "ok", runtime_us: { median: 9 } });
    writeFileSync(join(folder, "measurements.jsonl"), measured("a") + measured("b"));
    edit(folder);
    return folder;
  };
  const change = (file: string, from: string, to: string) => (folder: string) =>
    replaceIn(join(folder, file), from, to);
  const cases: readonly (readonly [string, (folder: string) => void, RegExp])[] = [
    [
      "a missing column",
      (folder) => writeFileSync(join(folder, "kernels.jsonl"), '{"kernel_id":"a","task_id":"t","launches":[]}\n'),
      /kernels\.jsonl: required column "source" is missing \(it has: kernel_id, task_id, launches\)/,
    ],
    ["a missing value", change("kernels.jsonl", '"source":"// b",', ""), /kernels\.jsonl:2: "source" is missing/],
    [
      "a parent that is not there",
      change("kernels.jsonl", '"parent_id":"a"', '"parent_id":"z"'),
      /the parent z of b is not/,
    ],
    ["an unknown status", change("measurements.jsonl", '"ok"', '"fine"'), /measurements\.jsonl:1: status: /],
    [
      "an ok without a runtime",
      change("measurements.jsonl", ',"runtime_us":{"median":9}', ""),
      /:1: .*runtime_us.* missing/,
    ],
    ["half a line", change("measurements.jsonl", '{"median":9}}', '{"medi'), /measurements\.jsonl:1: not JSON/],
    ["no kernels", (folder) => rmSync(join(folder, "kernels.jsonl")), /not a recording: it has no kernels\.parquet/],
    [
      "Parquet that is none",
      (folder) => {
        rmSync(join(folder, "kernels.jsonl"));
        writeFileSync(join(folder, "kernels.parquet"), "PAR1 but not really PAR1");
      },
      /kernels\.parquet: cannot be read as Parquet: /,
    ],
    [
      "nothing in it",
      (folder) => readdirSync(folder).forEach((file) => rmSync(join(folder, file))),
      /has no tasks\.parquet/,
    ],
  ];
  it.each(cases)("%s", async (_title, edit, message) => {
    const folder = recording(edit);
    expectOneLine(await runCli(["recording", "info", folder, "--json"]), 1, message);
    expectOneLine(await runCli(search("t", "--device", `recorded:${folder}`)), 1, message);
  });

  const dangling: typeof cases = [
    [
      "a kernel of no task",
      change("kernels.jsonl", '"task_id":"t"', '"task_id":"u"'),
      /a is of task "u", which is not in/,
    ],
    [
      "a measurement of no kernel",
      change("measurements.jsonl", '"b"', '"c"'),
      /measurements\.jsonl:2: kernel_id: c is not in kernels/,
    ],
  ];
  it.each(dangling)("%s, where the whole is read", async (_title, edit, message) => {
    expectOneLine(await runCli(["recording", "info", recording(edit)]), 1, message);
  });

  it("a file, or nothing, in its place", async () => {
    const file = join(recording(), "tasks.jsonl");
    expectOneLine(await runCli(["recording", "check", file]), 1, /it is a file; a recording is a folder with tasks/);
    expectOneLine(await runCli(["recording", "check", "/no/where"]), 1, /no such folder; a recording is a folder/);
    const merge = ["recording", "merge", recording(), "/no/where", "--out", scratch.next()];
    expectOneLine(await runCli(merge), 1, /no such folder/);
  });

  it("a Parquet file that was cut off", async () => {
    const folder = recording();
    const whole = scratch.next();
    expect((await runCli(["recording", "merge", folder, "--out", whole])).code).toBe(0);
    const [file = ""] = readdirSync(whole).filter((name) => /^kernels.*parquet$/.test(name));
    writeFileSync(join(whole, file), readFileSync(join(whole, file)).subarray(0, 40));
    expectOneLine(await runCli(["recording", "check", whole]), 1, /kernels.*parquet: cannot be read as Parquet: /);
  });
});

describe.concurrent("wrong flags", () => {
  const task = join(fixtures, "scale-vector");
  const recorded = (...more: string[]): string[] => search("softmax-f32", ...more);
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["an unknown command", ["serch", "x"], /no command "serch"; did you mean `search`\? \(--help lists the commands\)/],
    ["an unknown sub-command", ["recording", "inf", "atlas"], /no command "inf"; did you mean `info`\?/],
    ["an unknown flag", recorded("--polic", "x"), /--polic, did you mean --policy\? \(--help/],
    ["no task", ["search"], /Expected argument for task/],
    ["an argument too many", recorded("more"), /Too many arguments.*"more"/],
    ["a flag without its value", recorded("--device"), /Expected input for flag --device/],
    [
      "no measurements",
      recorded("--measurements", "0"),
      /"0" for measurements: it must be a whole number of at least 1/,
    ],
    ["negative measurements", recorded("--measurements", "-3"), /"-3" for measurements: it must be a whole number/],
    ["measurements in words", recorded("--measurements", "abc"), /"abc" for measurements: it must be a whole number/],
    ["measurements of nothing", recorded("--measurements", ""), /for measurements: it must be a whole number/],
    ["a seed in words", recorded("--seed", "x"), /"x" for seed: it must be a whole number of at least 0/],
    ["no GPU-seconds", recorded("--gpu-seconds", "0"), /"0" for gpu-seconds: it must be a number above 0/],
    ["an unknown policy", recorded("--policy", "best"), /--policy best: unknown \(known: measure-all,/],
    [
      "an unknown forecaster",
      recorded("--forecaster", "oracle"),
      /--forecaster oracle: unknown kind .*\(known: static/,
    ],
    ["an unknown device kind", recorded("--device", "cloud:x"), /--device cloud:x: unknown kind "cloud" \(known: rec/],
    ["an unknown proposer", recorded("--proposer", "muse"), /--proposer muse: unknown kind "muse" \(known: recorded,/],
    [
      "a proposer without its recording",
      search(task, "--device", "local", "--proposer", "recorded"),
      /needs a recording/,
    ],
    ["a device without its host", recorded("--device", "ssh:"), /"ssh:" names no host; write ssh:HOST/],
    ["an index that is none", recorded("--device", "local:x"), /write local, or local:INDEX/],
    [
      "a workspace that is an unset variable",
      ["search", "softmax-f32", "--workspace", ""],
      /"" for workspace: it must not be empty/,
    ],
    [
      "a forecaster with a typing error",
      recorded("--forecaster", "sttic"),
      /\(known: static, .*\); did you mean static\?/,
    ],
    ["a policy with a typing error", recorded("--policy", "topk"), /did you mean top-k\?/],
    [
      "a stronger forecaster that the policy does not ask",
      recorded("--policy", "top-k", "--strong-forecaster", "static"),
      /asks one forecaster only; use --policy gate/,
    ],
    ["a run outside the workspace", recorded("--run", "../../x"), /a run's name has letters, digits/],
  ];
  it.each(cases)("%s", async (_title, words, message) => {
    expectOneLine(await runCli(words), 2, message);
  });

  it("files that are not there", async () => {
    expectOneLine(
      await runCli(recorded("--forecaster", "static:/no/model.json", "--policy", "top-k")),
      1,
      /cannot read the forecaster's model \/no\/model\.json: no such file/,
    );
    expectOneLine(await runCli(["init", "/no/kernel.cu"]), 1, /cannot read the kernel \/no\/kernel\.cu: no such file/);
    const there = await runCli(recorded("--device", "recorded:atlas#A100"));
    expectOneLine(there, 1, /device "A100" is not in the recording \(it has: NVIDIA H100/);
  });

  it("a run of another configuration: the run stays as it is", async () => {
    const workspace = scratch.next();
    const words = (seed: string): string[] =>
      `search softmax-f32 --policy measure-all --measurements 3 --json --run mine --seed ${seed} --workspace ${workspace}`.split(
        " ",
      );
    const first = await runCli(words("1"));
    expect(first.code).toBe(0);
    expectOneLine(
      await runCli(words("2")),
      2,
      /run mine was started differently \(seed was 1, now 2\); give it as before/,
    );
    expect(await runCli(words("1"))).toMatchObject({ code: 0, stdout: first.stdout });
  });

  it("a workspace that is a file, or cannot be written", async () => {
    const file = join(scratch.path, "file");
    writeFileSync(file, "mine");
    const words = "search softmax-f32 --policy measure-all --measurements 3 --workspace".split(" ");
    expectOneLine(await runCli([...words, file]), 1, /a file is in its place; choose another --workspace/);
    expect(existsSync(file)).toBe(true);
    writeFileSync(join(scratch.path, "kernelcast.sqlite"), "not a store ".repeat(400));
    expectOneLine(await runCli([...words, scratch.path]), 1, /not a kernelcast store or is damaged; move it away/);
    rmSync(join(scratch.path, "kernelcast.sqlite"));
  });
});

describe.concurrent("a text file with a fault", () => {
  const task = (edit: (folder: string) => void): string[] =>
    search(copyTask(scratch.next(), edit), "--device", "local");
  const rewrite = (file: string, change: (text: string) => string | Buffer) => (folder: string) => {
    const path = join(folder, file);
    writeFileSync(path, change(readFileSync(path, "utf8")));
  };
  const latin = (text: string): Buffer => Buffer.from(`// µ\n${text}`, "latin1");

  it("not UTF-8", async () => {
    const path = join(scratch.path, "latin.cu");
    writeFileSync(path, Buffer.from("// a\n// \xb5s\n__global__ void k(float* x) {}\n", "latin1"));
    expectOneLine(
      await runCli(["init", path]),
      1,
      /the kernel .*latin\.cu is not UTF-8 text \(line 2\); save it as UTF-8/,
    );
    expectOneLine(
      await runCli(task(rewrite("seed.cu", latin))),
      1,
      /the seed kernel .*seed\.cu is not UTF-8 text \(line 1\)/,
    );
  });

  it("a folder, or a circle of links, in its place", async () => {
    expectOneLine(await runCli(["init", scratch.path]), 1, /cannot read the kernel [^:]*: it is a folder$/m);
    const loop = join(scratch.path, "loop.cu");
    symlinkSync("loop.cu", loop);
    expectOneLine(await runCli(["init", loop]), 1, /loop\.cu: its symbolic links go round in a circle/);
  });

  it.skipIf(!hasWorkerPython)("a byte order mark and CRLF are no fault", async () => {
    const windows = (text: string): string => `\uFEFF${text.replaceAll("\n", "\r\n")}`;
    const folder = copyTask(scratch.next(), (path) => {
      for (const file of ["task.yaml", "seed.cu", "reference.py"]) rewrite(file, windows)(path);
    });
    const result = await runCli(search(folder, "--device", "local"));
    expect(result.stderr).not.toMatch(/kernelcast:/);
    expect(result.code).toBe(0);
  });
});

describe.concurrent("streams that cannot be written", () => {
  const shell = async (redirection: string, words: readonly string[]): Promise<CliResult> => {
    const child = spawn("bash", ["-c", `"$@" ${redirection}`, "-", process.execPath, cli, ...words]);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (text) => (stdout += String(text)));
    child.stderr.on("data", (text) => (stderr += String(text)));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { code, signal: null, stdout, stderr };
  };

  it.skipIf(!existsSync("/dev/full"))("a result on a full disk is a failure of one line", async () => {
    for (const words of [["recording", "info", "atlas", "--json"], ["--version"]]) {
      expectOneLine(await shell(">/dev/full", words), 1, /cannot write to standard output: the disk is full/);
    }
  });

  it.skipIf(!existsSync("/dev/full"))("progress that cannot be shown stops nothing", async () => {
    for (const redirection of ["2>/dev/full", "2>&-"]) {
      const result = await shell(redirection, search("softmax-f32"));
      expect({ code: result.code, stderr: result.stderr }).toEqual({ code: 0, stderr: "" });
      expect(JSON.parse(result.stdout)).toMatchObject({ measured: 3 });
    }
  });
});

describe("a reader that goes away", () => {
  it.each([[["recording", "check", "atlas"]], [["--help"]], [["recording", "info", "atlas", "--json"]]])(
    "%j | head -1",
    async (words) => {
      const child = spawn("bash", ["-c", `set -o pipefail; "$@" | head -1`, "-", process.execPath, cli, ...words]);
      let stderr = "";
      child.stderr.on("data", (text) => (stderr += String(text)));
      let stdout = "";
      child.stdout.on("data", (text) => (stdout += String(text)));
      const code = await new Promise((resolve) => child.once("close", resolve));
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(stdout.trim().split("\n")).toHaveLength(1);
    },
  );
});
