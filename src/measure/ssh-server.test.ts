import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startChild, type Child } from "../process/child.ts";
import { quoteWord } from "../process/shell-words.ts";
import { sshWorker } from "./ssh.ts";
import { WorkerClient } from "./worker-client.ts";
import { packWorker } from "./worker-package.ts";

const sshd = process.env["KERNELCAST_TEST_SSHD"] ?? "/usr/sbin/sshd";
const present = existsSync(sshd) && spawnSync("ssh", ["-V"]).status === 0;
if (!present) console.warn("skipped: a worker over a real ssh server (no sshd here; KERNELCAST_TEST_SSHD names one)");

const root = mkdtempSync(join(tmpdir(), "kernelcast-sshd-"));

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts an ssh server for this user alone, and puts an `ssh` on a path that knows it as host `box`. */
async function startServer(): Promise<Child> {
  const port = await freePort();
  for (const name of ["host", "user"])
    spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(root, name)]);
  writeFileSync(
    join(root, "sshd_config"),
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(root, "host")}`,
      `AuthorizedKeysFile ${join(root, "user.pub")}`,
      "StrictModes no",
      "UsePAM no",
      "PidFile none",
    ].join("\n"),
  );
  writeFileSync(
    join(root, "ssh_config"),
    [
      "Host box",
      "  HostName 127.0.0.1",
      `  Port ${port}`,
      `  User ${userInfo().username}`,
      `  IdentityFile ${join(root, "user")}`,
      "  IdentitiesOnly yes",
      "  StrictHostKeyChecking no",
      `  UserKnownHostsFile ${join(root, "known")}`,
    ].join("\n"),
  );
  mkdirSync(join(root, "bin"));
  const real = spawnSync("sh", ["-c", "command -v ssh"], { encoding: "utf8" }).stdout.trim();
  writeFileSync(
    join(root, "bin", "ssh"),
    `#!/bin/sh\nexec ${quoteWord(real)} -F ${quoteWord(join(root, "ssh_config"))} "$@"\n`,
  );
  chmodSync(join(root, "bin", "ssh"), 0o755);
  const server = startChild({ argv: [sshd, "-D", "-e", "-f", join(root, "sshd_config")] });
  for (let tries = 0; tries < 60 && !server.stderrTail().includes("listening"); tries++) await sleep(50);
  return server;
}

describe.skipIf(!present)("a worker over a real ssh server", () => {
  let server: Child;
  const env = { ...process.env, PATH: `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}` };

  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => {
    await server.terminate();
  });

  it("is brought along, greets, and ends with its connection", async (context) => {
    if (!server.stderrTail().includes("listening")) {
      console.warn(`skipped: ${sshd} does not start: ${server.stderrTail().trim()}`);
      context.skip();
    }
    const pack = await packWorker(fileURLToPath(new URL("../testing/fake-workers/python", import.meta.url)));
    const command = sshWorker("box", pack, "python3", ["--fake", "a b"], env);
    const client = new WorkerClient(command, { closePatienceMs: 3000 });
    const greeting = await client.hello().catch((error: unknown) => {
      throw new Error(`${String(error)}\n${server.stderrTail()}`);
    });
    expect(JSON.parse(greeting.worker_version ?? "")).toMatchObject({ args: ["--fake", "a b"] });
    await client.close();
  });

  it("says what ssh says of a server that is gone", async () => {
    const pack = await packWorker(fileURLToPath(new URL("../testing/fake-workers/python", import.meta.url)));
    const client = new WorkerClient(sshWorker("nowhere.invalid", pack, "python3", [], env), { backOffMs: 1 });
    await expect(client.hello()).rejects.toThrow(/ssh nowhere\.invalid exited with code 255 \(.*resolve/);
  });
});
