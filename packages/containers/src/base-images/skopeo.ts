import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError, type RegistryCredential, toAppError } from "@plimsoll/core";
import { run } from "@plimsoll/exec";
import { collectAbandonedPulls, pullPrefix } from "./abandoned.ts";
import { outwardEnv } from "./outward.ts";
import { OutwardView } from "./outward-view.ts";
import type { ImageSource } from "./sources.ts";
import { type RegistryGreeting, refusalOf } from "./token-service.ts";

/** Where registries are reached from: names of them come from tenants, and must not lead to the platform's own network. */
export interface OutwardNetwork {
  /** The same one each time; asked for anew before each use. */
  acquire(): Promise<{ readonly path: string; readonly nameservers: readonly string[] }>;
}

export interface SkopeoOptions {
  /** Below it lie credentials while they are used: root's alone, never swapped. */
  readonly secretDir: string;
  /** Absent: the network of this process. */
  readonly network?: OutwardNetwork;
  /** Registries (host[:port]) that are reached from this process' network all the same: the operator's own, on this machine. */
  readonly onHost?: readonly string[];
  /** Registries that are spoken to without TLS. */
  readonly plainHttp?: readonly string[];
}

const GREETING = fileURLToPath(new URL("./greeting-main.ts", import.meta.url));
const GREETING_TIMEOUT_MS = 60_000;
/** What a registry said of tokens is not asked again for so long: a pull runs skopeo up to three times. */
const GREETED_MS = 60_000;
const GREETED_MOST = 1_000;

/** It needs none of root's powers but to read and write root's files, and ends with whoever started it. */
const POWERLESS = ["setpriv", "--pdeathsig=KILL", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"];

/**
 * Runs skopeo for one registry: in the network that registries are reached from, without the powers of root, with the one credential that
 * it is given and no other. It never sees what the host's own users have logged in to.
 */
export class Skopeo {
  readonly #options: SkopeoOptions;
  readonly #view: OutwardView;
  readonly #greeted = new Map<string, number>();

  constructor(options: SkopeoOptions) {
    this.#options = options;
    this.#view = new OutwardView(options.secretDir);
    mkdirSync(options.secretDir, { recursive: true, mode: 0o700 });
    collectAbandonedPulls(options.secretDir);
  }

  /** The manifest of an image or the list of several, byte for byte as the registry has it (4 MiB at most: skopeo's own bound). */
  async manifest(source: ImageSource, options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined }): Promise<string> {
    const argv = ["inspect", "--raw", ...this.#tls("--tls-verify", source), `docker://${source.repository}${source.suffix}`];
    return this.#run(source, { argv, authfile: "--authfile", maxFileBytes: 0 }, options);
  }

  /**
   * Brings image `digest` into an empty directory, as it is in the registry: a conversion to OCI would drop ONBUILD, SHELL and HEALTHCHECK.
   * No file becomes larger than `maxFileBytes`, whatever is sent.
   */
  async copy(
    source: ImageSource,
    wanted: { readonly digest: string; readonly directory: string; readonly maxFileBytes: number },
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    const { digest, directory, maxFileBytes } = wanted;
    const from = `docker://${source.repository}@${digest}`;
    const argv = ["copy", "--quiet", ...this.#tls("--src-tls-verify", source), from, `dir:${directory}`];
    await this.#run(source, { argv, authfile: "--src-authfile", maxFileBytes }, options);
  }

  async #run(
    source: ImageSource,
    program: { readonly argv: readonly string[]; readonly authfile: string; readonly maxFileBytes: number },
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
  ): Promise<string> {
    const { timeoutMs, signal } = options;
    await this.#greet(source, signal);
    const directory = mkdtempSync(join(this.#options.secretDir, `.${pullPrefix()}`));
    try {
      const authfile = join(directory, "auth.json");
      writeFileSync(authfile, authOf(source), { mode: 0o600 });
      const [verb = "", ...rest] = program.argv;
      const limits = ["prlimit", `--fsize=${program.maxFileBytes}`, "--core=0", "--"];
      const skopeo = [...limits, ...POWERLESS, "skopeo", "--override-os", "linux", verb, program.authfile, authfile, ...rest];
      const argv = await this.#outward(source, skopeo);
      // Its home is empty: there are credentials in root's.
      const env = { ...outwardEnv(), HOME: directory };
      const { stdout } = await run(argv, { timeoutMs, env, cwd: "/", ...(signal === undefined ? {} : { signal }) });
      return stdout;
    } catch (error) {
      throw withoutCredential(error, source.credential);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /**
   * A registry names the service to which its clients send their password for a token, and skopeo would send it to whatever is named: so the
   * registry is asked for that name first, without one. AppError `forbidden` with details.tokenService where it must not go there.
   */
  async #greet(source: ImageSource, signal: AbortSignal | undefined): Promise<void> {
    const { registry, credential } = source;
    if (credential === undefined || performance.now() - (this.#greeted.get(registry) ?? -GREETED_MS) < GREETED_MS) return;
    const isPlain = this.#isPlain(registry);
    const program = [...POWERLESS, process.execPath, "--disable-warning=ExperimentalWarning", GREETING, registry, String(isPlain)];
    const env = { ...outwardEnv(), HOME: "/nonexistent", NODE_USE_ENV_PROXY: "1" };
    const options = { timeoutMs: GREETING_TIMEOUT_MS, env, cwd: "/", ...(signal === undefined ? {} : { signal }) };
    const { stdout } = await run(await this.#outward(source, program), options);
    const refusal = refusalOf(registry, isPlain, JSON.parse(stdout) as RegistryGreeting);
    if (refusal !== undefined) {
      const advice = "the credential was sent nowhere. Tell the registry's operator, or name a mirror of it (plim registries mirror)";
      throw new AppError("forbidden", `The registry ${registry} ${refusal}; ${advice}.`, { details: { tokenService: true } });
    }
    if (this.#greeted.size >= GREETED_MOST) this.#greeted.clear();
    this.#greeted.set(registry, performance.now());
  }

  /** argv that runs a program where registries are reached from. */
  async #outward({ registry }: ImageSource, program: readonly string[]): Promise<readonly string[]> {
    const { network, onHost = [] } = this.#options;
    if (network === undefined || onHost.includes(registry)) return program;
    return this.#view.argv(await network.acquire(), program);
  }

  #tls(flag: string, { registry }: ImageSource): readonly string[] {
    return this.#isPlain(registry) ? [`${flag}=false`] : [];
  }

  #isPlain(registry: string): boolean {
    return this.#options.plainHttp?.includes(registry) === true;
  }
}

/** What a registry says goes into its error, and it may say what it was told. */
function withoutCredential(error: unknown, credential: RegistryCredential | undefined): AppError {
  const { code, details, retry } = toAppError(error);
  let stderr = String(details.stderr ?? "");
  const basic = credential === undefined ? "" : basicOf(credential);
  for (const secret of [credential?.password ?? "", basic]) if (secret !== "") stderr = stderr.replaceAll(secret, "…");
  return new AppError(code, "skopeo could not do what it was asked", { retry, details: { stderr } });
}

function basicOf({ username, password }: RegistryCredential): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
}

/** The file that registry clients read (containers-auth.json(5)), for this registry alone; without a credential an empty one. Pure. */
function authOf({ registry, credential }: { readonly registry: string; readonly credential?: RegistryCredential }): string {
  if (credential === undefined) return '{"auths":{}}';
  return JSON.stringify({ auths: { [registry]: { auth: basicOf(credential) } } });
}
