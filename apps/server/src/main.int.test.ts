import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minimalEnv, run } from "@plimsoll/exec";
import { afterEach, expect, it } from "vitest";

const REFUSAL = "the database system is starting up";
const directory = mkdtempSync(join(tmpdir(), "plimsoll-server-"));
/** What a PostgreSQL that was killed says to whoever comes too early (ErrorResponse, protocol 3.0). */
const starting = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => {
    const fields = Buffer.from(`SFATAL\0VFATAL\0C57P03\0M${REFUSAL}\0\0`);
    const head = Buffer.from("E....");
    head.writeInt32BE(fields.length + 4, 1);
    socket.end(Buffer.concat([head, fields]));
  });
});

afterEach(() => {
  starting.close();
  rmSync(directory, { recursive: true, force: true });
});

it("a server that cannot start ends, so that it is started again, and does not go on as half of one", async () => {
  await new Promise<void>((resolve) => starting.listen(0, "127.0.0.1", resolve));
  const sshPort = await freePort();
  const { code, stderr } = await run([process.execPath, "--disable-warning=ExperimentalWarning", join(import.meta.dirname, "main.ts")], {
    timeoutMs: 20_000,
    okCodes: [0, 1],
    env: {
      ...minimalEnv,
      PLIMSOLL_DATA_DIR: directory,
      DATABASE_URL: `postgresql://nobody@127.0.0.1:${(starting.address() as AddressInfo).port}/none`,
      REDIS_URL: `unix://${directory}/no-redis.sock`,
      PLIMSOLL_API_SOCKET: join(directory, "api.sock"),
      PLIMSOLL_SSH_PORT: String(sshPort),
    },
  });
  expect(code).toBe(1);
  expect(stderr).toContain(REFUSAL);
}, 30_000);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
