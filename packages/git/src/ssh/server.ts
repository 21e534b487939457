import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { errorText } from "@plimsoll/core";
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from "ssh2";
import type { GitProcess } from "../git-process.ts";
import type { GitLogger, GitPorts, Principal, RepositoryRef } from "../ports.ts";
import type { GitService } from "../repository-path.ts";
import { SshAuthentication } from "./authentication.ts";
import type { HostKey } from "./host-key.ts";
import { serveExec, serveShell } from "./session.ts";

const KEEPALIVE = { intervalMs: 15_000, missed: 4 };
const LOGIN_MS = 30_000;
const MAX_CONNECTIONS = 500;
const MAX_STRANGERS = 100;
const MAX_SESSIONS = 10;
/** Smaller packets than RFC 4254 lets a client expect would make us spin on tiny writes; ssh2 loops for ever at zero. */
const MIN_PACKET_BYTES = 1_024;

export interface SshServerOptions {
  readonly hostKey: HostKey;
  readonly ports: GitPorts;
  readonly logger: GitLogger;
  readonly portalUrl: string;
  /** From the first byte to a proved key. Default 30 s. */
  readonly loginMs?: number;
  /** Starts git for a client; throws AppError with the sentence that the client is shown. */
  readonly openGit: (principal: Principal, service: GitService, ref: RepositoryRef, protocol: string | undefined) => Promise<GitProcess>;
}

/** The SSH front door: public keys, git's two commands, nothing else. */
export class SshServer {
  readonly #options: SshServerOptions;
  readonly #ssh: ssh2.Server;
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();
  /** Connected and not yet proved: by remote address and port. */
  readonly #strangers = new Map<string, { readonly socket: Socket; readonly timer: NodeJS.Timeout }>();

  constructor(options: SshServerOptions) {
    this.#options = options;
    this.#ssh = new ssh2.Server(
      {
        hostKeys: [options.hostKey.privateKey],
        ident: "Plimsoll",
        keepaliveInterval: KEEPALIVE.intervalMs,
        keepaliveCountMax: KEEPALIVE.missed,
        // git compresses already; and who is not known yet must not make us inflate.
        algorithms: { compress: ["none"] },
      },
      (connection, info) => this.#serve(connection, `${info.ip} ${info.port}`),
    );
    this.#listener = createServer({ noDelay: true }, (socket) => this.#admit(socket));
  }

  /** Listens and returns the port. Throws what the system says, such as EADDRINUSE. */
  async listen(address: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#listener.once("error", reject);
      this.#listener.listen(port, address, () => resolve());
    });
    return (this.#listener.address() as AddressInfo).port;
  }

  /** Takes no new connection. */
  refuse(): void {
    this.#listener.close();
  }

  /** Cuts what is connected. */
  async close(): Promise<void> {
    const closed = this.#listener.listening ? new Promise((resolve) => this.#listener.close(resolve)) : Promise.resolve();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #admit(socket: Socket): void {
    if (this.#sockets.size >= MAX_CONNECTIONS || this.#strangers.size >= MAX_STRANGERS) {
      socket.destroy();
      return;
    }
    const who = `${socket.remoteAddress} ${socket.remotePort}`;
    const timer = setTimeout(() => socket.destroy(), this.#options.loginMs ?? LOGIN_MS);
    this.#sockets.add(socket);
    this.#strangers.set(who, { socket, timer });
    socket.on("error", () => undefined);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#known(who);
    });
    this.#ssh.injectSocket(socket);
  }

  #known(who: string): void {
    clearTimeout(this.#strangers.get(who)?.timer);
    this.#strangers.delete(who);
  }

  #serve(connection: Connection, who: string): void {
    const { ports, logger, portalUrl } = this.#options;
    const authentication = new SshAuthentication(ports, logger, portalUrl, () => connection.end());
    // Without a listener an error of one client would end the server.
    connection.on("error", (error: Error) => logger.info("an SSH connection broke", { error: errorText(error) }));
    connection.on("authentication", (context: AuthContext) => void authentication.attempt(context));
    connection.on("ready", () => this.#known(who));
    let sessions = 0;
    connection.on("session", (accept, reject) => {
      const { principal } = authentication;
      if (principal === undefined || sessions >= MAX_SESSIONS) {
        reject();
        return;
      }
      const session = accept();
      if (expectsTinyPackets(session)) {
        connection.end();
        return;
      }
      sessions++;
      session.once("close", () => sessions--);
      this.#session(session, principal);
    });
  }

  #session(session: Session, principal: Principal): void {
    let protocol: string | undefined;
    session.on("env", (accept, _reject, info) => {
      const { key, val } = info as unknown as { key: string; val: string };
      // The one variable that git sends; it must not bring others into our processes.
      if (key === "GIT_PROTOCOL" && /^version=[0-2]$/.test(val)) protocol = val;
      accept?.();
    });
    session.on("pty", (accept) => accept?.());
    session.on("shell", (accept) => {
      const channel = accept() as ServerChannel | undefined;
      if (channel !== undefined) serveShell(channel, principal);
    });
    session.on("exec", (accept, _reject, info) => {
      const channel = accept() as ServerChannel | undefined;
      if (channel === undefined) return;
      serveExec(channel, info.command, this.#options.logger, (service, ref) =>
        this.#options.openGit(principal, service, ref, protocol),
      ).catch((error: unknown) => this.#options.logger.error("an SSH command could not be served", { error: errorText(error) }));
    });
  }
}

/** ssh2 keeps what the client announced to itself; there is no public way to ask. */
function expectsTinyPackets(session: Session): boolean {
  const { _chanInfo: info } = session as unknown as { readonly _chanInfo?: { readonly outgoing?: { readonly packetSize?: number } } };
  return (info?.outgoing?.packetSize ?? 0) < MIN_PACKET_BYTES;
}
