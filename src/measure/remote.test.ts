import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { bootstrapWorker } from "./bootstrap.ts";
import { commandWorker } from "./command.ts";
import { sshArgv, sshWorker } from "./ssh.ts";
import { WorkerClient, type Greeting } from "./worker-client.ts";
import type { WorkerCommand } from "./worker-life.ts";
import { packWorker } from "./worker-package.ts";

const fakes = fileURLToPath(new URL("../testing/fake-workers/", import.meta.url));
const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) console.warn("skipped: the ways to start a remote worker (no python3 here)");

function folder(): string {
  return mkdtempSync(join(tmpdir(), "kernelcast test ' \" $HOME "));
}

function environment(home: string): NodeJS.ProcessEnv {
  const path = `${join(fakes, "bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  return { ...process.env, PATH: path, FAKE_SSH_HOME: home, FAKE_SSH_CACHE: "", XDG_CACHE_HOME: "", HOME: home };
}

async function greet(command: WorkerCommand): Promise<Greeting> {
  const client = new WorkerClient(command, { backOffMs: 1, graceMs: 500 });
  try {
    return await client.hello();
  } finally {
    await client.close();
  }
}

/** Where the worker of a greeting runs from, and with which flags. */
function started(greeting: Greeting): { file: string; args: string[] } {
  return JSON.parse(greeting.worker_version ?? "") as { file: string; args: string[] };
}

describe.skipIf(!hasPython)("ssh", async () => {
  const pack = await packWorker(join(fakes, "python"));

  it("brings the worker along, passes its flags on unharmed, and unpacks it once", async () => {
    const home = folder();
    const flags = ["--fake", 'it\'s $HOME; `x` \\ "q" *'];
    const command = sshWorker("box", pack, "python3", flags, environment(home));
    const first = started(await greet(command));
    expect(first.args).toEqual(flags);
    expect(dirname(dirname(first.file))).toBe(join(home, ".cache", "kernelcast", `worker-${pack.digest.slice(0, 16)}`));
    expect(started(await greet(command)).file).toBe(first.file);
    expect(readdirSync(join(home, ".cache", "kernelcast"))).toHaveLength(1);
  });

  it("works where the home folder cannot be written", async () => {
    const home = join(folder(), "file");
    writeFileSync(home, "");
    const { file } = started(await greet(sshWorker("box", pack, "python3", [], environment(home))));
    expect(file.startsWith(join(tmpdir(), "kernelcast-"))).toBe(true);
  });

  it("survives two first starts at once", async () => {
    const command = sshWorker("box", pack, "python3", [], environment(folder()));
    const greetings = await Promise.all([greet(command), greet(command), greet(command)]);
    expect(new Set(greetings.map((greeting) => started(greeting).file)).size).toBe(1);
  });

  it("says in one line what ssh says", async () => {
    const command = sshWorker("nobody@box", pack, "python3", [], environment(folder()));
    await expect(greet(command)).rejects.toThrow(
      /ssh nobody@box exited with code 255 \(.*Permission denied \(publickey\)\.\)$/,
    );
  });

  it("says in one line that the host has no such Python", async () => {
    const command = sshWorker("box", pack, "python9", [], environment(folder()));
    await expect(greet(command)).rejects.toThrow(/exited with code 127 \(.*python9.*not found\)$/);
  });

  it("takes no option for a host", () => {
    expect(() => sshArgv("-oProxyCommand=touch /tmp/x", "true")).toThrow(/names no host/);
    expect(() => sshArgv("", "true")).toThrow(/names no host/);
    expect(sshArgv("user@box", "true").slice(-3)).toEqual(["--", "user@box", "true"]);
  });
});

describe.skipIf(!hasPython)("command", async () => {
  const pack = await packWorker(join(fakes, "python"));

  it("runs the worker behind any launcher", async () => {
    const launcher = "env 'GREETING=two words' nice -n 1";
    const command = commandWorker(launcher, pack, "python3", ["--jobs", "3"], environment(folder()));
    expect(started(await greet(command)).args).toEqual(["--jobs", "3"]);
  });

  it("says that a launcher keeps standard input to itself", async () => {
    const command = commandWorker("sh -c 'exec \"$@\" </dev/null' sh", pack, "python3", [], environment(folder()));
    await expect(greet(command)).rejects.toThrow(/standard input ended early: .*docker run -i/);
  });

  it("says that a launcher changed what was sent", async () => {
    const command = commandWorker("env", pack, "python3", [], environment(folder()));
    await expect(greet({ ...command, preamble: pack.base64.replaceAll("A", "B") })).rejects.toThrow(
      /files were damaged on the way/,
    );
  });

  it("needs a launcher", () => {
    expect(() => commandWorker(" ", pack, "python3", [], {})).toThrow(/needs a launcher/);
  });
});

describe("the package", () => {
  it("is the same text for the same files, and changes with them", async () => {
    const root = folder();
    mkdirSync(join(root, "kernelcast_worker", "__pycache__"), { recursive: true });
    writeFileSync(join(root, "kernelcast_worker", "__main__.py"), "1");
    const before = await packWorker(root);
    writeFileSync(join(root, "kernelcast_worker", "__pycache__", "x.pyc"), "compiled");
    expect((await packWorker(root)).digest).toBe(before.digest);
    writeFileSync(join(root, "kernelcast_worker", "__main__.py"), "2");
    expect((await packWorker(root)).digest).not.toBe(before.digest);
  });

  it("is an archive that tar reads", async () => {
    const { base64 } = await packWorker(join(fakes, "python"));
    const listed = spawnSync("tar", ["tzvf", "-"], { input: Buffer.from(base64, "base64"), encoding: "utf8" });
    expect(listed.stdout).toContain("kernelcast_worker/__main__.py");
    expect(listed.status).toBe(0);
  });

  it("must be there", async () => {
    await expect(packWorker(folder())).rejects.toMatchObject({ code: "device" });
  });

  it("is started with words that every shell leaves alone", () => {
    const { words } = bootstrapWorker({ digest: "d", base64: "AAAA" }, "python3", []);
    expect(words.every((word) => /^[A-Za-z0-9+/=.,;()[\]_ -]+$/.test(word))).toBe(true);
  });
});
