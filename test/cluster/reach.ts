import { createServer, type Server } from "node:net";
import { inNetworkNamespace } from "@plimsoll/host";
import { runIn, startIn, type TestHost } from "./test-hosts.ts";

const netnsOf = (place: TestHost | string) => (typeof place === "string" ? place : place.netns);

/** A TCP server of this process in another network namespace, on all its addresses; it greets and closes. */
export async function listenIn(place: TestHost | string, port: number, greeting = "hello"): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(`${greeting} ${socket.remoteAddress?.replace("::ffff:", "")}`);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    inNetworkNamespace(netnsOf(place), () => server.listen(port, () => resolve()));
  });
  return server;
}

const CONNECT = `
const [host, port, timeoutMs, source] = process.argv.slice(1);
const socket = require("node:net").connect({ host, port: Number(port), ...(source ? { localAddress: source } : {}) });
let said = "";
socket.setTimeout(Number(timeoutMs), () => { console.log("blocked"); process.exit(0); });
socket.on("error", () => { console.log("blocked"); process.exit(0); });
socket.on("data", (chunk) => { said += chunk; });
socket.on("end", () => { console.log("reached " + said); process.exit(0); });
`;

/** Connects to a listenIn() server from another network namespace: its greeting, or undefined when nothing answers within the time. */
export async function reach(
  from: TestHost | string,
  to: string,
  port: number,
  options: { readonly timeoutMs?: number; readonly source?: string } = {},
): Promise<string | undefined> {
  const argv = [process.execPath, "-e", CONNECT, to, String(port), String(options.timeoutMs ?? 700), options.source ?? ""];
  const { stdout } = await runIn(from, argv);
  return /^reached (.*)$/m.exec(stdout)?.[1];
}

const RECEIVE = `
const [port, timeoutMs] = process.argv.slice(1);
const socket = require("node:dgram").createSocket("udp4");
socket.on("message", (message) => { console.log("got " + message); process.exit(0); });
socket.bind(Number(port), () => console.log("ready"));
setTimeout(() => { console.log("nothing"); process.exit(0); }, Number(timeoutMs));
`;

const SEND = `
const [host, port, hex] = process.argv.slice(1);
const socket = require("node:dgram").createSocket("udp4");
socket.send(Buffer.from(hex, "hex"), Number(port), host, () => socket.close());
`;

/** Whether a datagram that is sent in one place comes out at a UDP port in another: the payload, or undefined. */
export async function datagram(
  from: TestHost | string,
  to: { readonly address: string; readonly port: number },
  payload: Uint8Array,
  receiver: { readonly place: TestHost | string; readonly port: number; readonly timeoutMs?: number },
): Promise<string | undefined> {
  const argv = [process.execPath, "-e", RECEIVE, String(receiver.port), String(receiver.timeoutMs ?? 1_000)];
  const listener = await startIn(receiver.place, argv, { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  const done = new Promise<void>((resolve) => listener.once("close", () => resolve()));
  await new Promise<void>((resolve) =>
    listener.stdout?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes("ready")) resolve();
    }),
  );
  await runIn(from, [process.execPath, "-e", SEND, to.address, String(to.port), Buffer.from(payload).toString("hex")]);
  await done;
  return /^got (.*)$/m.exec(said)?.[1];
}

/** A VXLAN packet (RFC 7348) that holds a UDP datagram, as an attacker would forge it. */
export function forgedVxlan(want: {
  readonly vni: number;
  readonly macFrom: string;
  readonly macTo: string;
  readonly from: string;
  readonly to: string;
  readonly port: number;
  readonly payload: string;
}): Buffer {
  const mac = (text: string) => Buffer.from(text.replaceAll(":", ""), "hex");
  const address = (text: string) => Buffer.from(text.split(".").map(Number));
  const payload = Buffer.from(want.payload);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(5_555, 0);
  udp.writeUInt16BE(want.port, 2);
  udp.writeUInt16BE(8 + payload.length, 4); // checksum 0: none, allowed over IPv4
  const ip = Buffer.concat([Buffer.from([0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0]), address(want.from), address(want.to)]);
  ip.writeUInt16BE(20 + udp.length + payload.length, 2);
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += ip.readUInt16BE(i);
  sum = (sum & 0xffff) + (sum >>> 16);
  ip.writeUInt16BE(~(sum + (sum >>> 16)) & 0xffff, 10);
  const vxlan = Buffer.alloc(8);
  vxlan.writeUInt32BE(0x08000000, 0);
  vxlan.writeUInt32BE(want.vni * 256, 4);
  return Buffer.concat([vxlan, mac(want.macTo), mac(want.macFrom), Buffer.from([8, 0]), ip, udp, payload]);
}
