import { errorText } from "@plimsoll/core";
import ssh2, { type AuthContext, type PublicKeyAuthContext } from "ssh2";
import type { GitLogger, GitPorts, Principal } from "../ports.ts";
import { fingerprintOf } from "./host-key.ts";

const USER = "git";
/** An agent may hold several keys, and offers each; a key that fits costs two. */
const MAX_ATTEMPTS = 24;
const MIN_RSA_BITS = 2048;
const METHODS: ("publickey" | "keyboard-interactive")[] = ["publickey", "keyboard-interactive"];

/**
 * Authentication of one SSH connection. Public keys only; `keyboard-interactive` is offered as the last thing that a client tries when
 * none of its keys was taken, since its instruction is the one sentence that OpenSSH then shows. It lets nobody in.
 */
export class SshAuthentication {
  readonly #ports: GitPorts;
  readonly #logger: GitLogger;
  readonly #portalUrl: string;
  readonly #disconnect: () => void;
  readonly #owners = new Map<string, Promise<Principal | undefined>>();
  #attempts = 0;
  #principal: Principal | undefined;

  constructor(ports: GitPorts, logger: GitLogger, portalUrl: string, disconnect: () => void) {
    this.#ports = ports;
    this.#logger = logger;
    this.#portalUrl = portalUrl;
    this.#disconnect = disconnect;
  }

  /** Who proved to hold a key; undefined before that. */
  get principal(): Principal | undefined {
    return this.#principal;
  }

  async attempt(context: AuthContext): Promise<void> {
    if (++this.#attempts > MAX_ATTEMPTS) {
      this.#disconnect();
      return;
    }
    if (context.method === "publickey" && context.username === USER) {
      try {
        await this.#publicKey(context);
      } catch (error) {
        this.#logger.error("an SSH key could not be checked", { error: errorText(error) });
        context.reject(METHODS);
      }
    } else if (context.method === "keyboard-interactive") {
      context.prompt([], "Plimsoll", this.#advice(context.username), () => context.reject([]));
    } else {
      context.reject(METHODS);
    }
  }

  async #publicKey(context: PublicKeyAuthContext): Promise<void> {
    const key = ssh2.utils.parseKey(context.key.data);
    // A signature by SHA-1 (no hashAlgo with RSA) or DSA proves nothing any more.
    const weak =
      key instanceof Error ||
      key.type === "ssh-dss" ||
      (key.type === "ssh-rsa" && (context.hashAlgo === undefined || isShort(key.getPublicPEM())));
    if (key instanceof Error || weak) {
      context.reject(METHODS);
      return;
    }
    const fingerprint = fingerprintOf(context.key.data);
    const owner = this.#owners.get(fingerprint) ?? this.#ports.authenticateKey(fingerprint, context.key.data);
    this.#owners.set(fingerprint, owner);
    const principal = await owner;
    if (principal === undefined) {
      context.reject(METHODS);
      return;
    }
    if (context.signature === undefined || context.blob === undefined) {
      // The client only asks whether it should sign.
      context.accept();
      return;
    }
    if (key.verify(context.blob, context.signature, context.hashAlgo) !== true) {
      this.#logger.warn("an SSH signature did not verify", { fingerprint });
      context.reject(METHODS);
      return;
    }
    this.#principal = principal;
    context.accept();
  }

  #advice(username: string): string {
    if (username !== USER) return `Git repositories are reached as user ${USER}: ssh://${USER}@…`;
    const offered = [...this.#owners.keys()];
    if (offered.length === 0) {
      return `No usable SSH key was offered. Make one with ssh-keygen -t ed25519 and add its .pub file in the portal: ${this.#portalUrl}`;
    }
    return `No one here has this SSH key: ${offered.join(", ")}. Add its .pub file in the portal: ${this.#portalUrl}`;
  }
}

function isShort(pem: string): boolean {
  // The DER of an RSA key of n bits is a little longer than n / 8 bytes.
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ""), "base64").length < MIN_RSA_BITS / 8;
}
