import { posix } from "node:path";
import type { MountFlag } from "../dockerfile/instruction.ts";
import { nearest } from "../dockerfile/nearest.ts";
import { type BuildProblem, problemAt } from "../problem.ts";
import type { FileOrigin, RunMount } from "./actions.ts";
import { absolute, expandIn, type Scope } from "./scope.ts";

type Type = RunMount["type"];
type Key = (typeof KEYS)[number];

const TYPES: readonly Type[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const KEYS = ["type", "from", "source", "target", "readonly", "id", "sharing", "required", "size", "mode", "uid", "gid", "env"] as const;
const ALIASES: Readonly<Record<string, Key>> = { src: "source", dst: "target", destination: "target", ro: "readonly" };
const WRITABLE = new Set(["rw", "readwrite"]);
const BARE = new Set(["readonly", "ro", "rw", "readwrite", "required"]);
/** What each type takes beside `type`, as BuildKit checks it; what it would take and ignore is refused, so that nothing is silently lost. */
const TAKES: Readonly<Record<Type, readonly Key[]>> = {
  bind: ["from", "source", "target", "readonly"],
  cache: ["from", "source", "target", "readonly", "id", "sharing", "mode", "uid", "gid"],
  tmpfs: ["target", "size", "readonly"],
  secret: ["source", "target", "id", "required", "mode", "uid", "gid", "env", "readonly"],
  ssh: ["target", "id", "required", "mode", "uid", "gid", "readonly"],
};
const SIZES: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

const MAX_MOUNTS = 50;

/** The mounts of a RUN with all values expanded, in the order written. Throws BuildProblem. */
export function runMounts(flags: readonly MountFlag[], scope: Scope): readonly RunMount[] {
  if (flags.length > MAX_MOUNTS) {
    throw problemAt(scope.at, "dockerfile", `More than ${MAX_MOUNTS} mounts of one RUN are not made; use fewer, larger ones.`);
  }
  let agents = 0;
  return flags.map((flag) => {
    const mount = new MountReader(flag, scope).read(agents);
    if (mount.type === "ssh") agents++;
    return mount;
  });
}

class MountReader {
  private readonly values = new Map<Key, string>();
  private readonly scope: Scope;

  constructor({ fields }: MountFlag, scope: Scope) {
    this.scope = scope;
    for (const { key, value } of fields) this.take(key, value === undefined ? undefined : expandIn(scope, value));
  }

  read(agents: number): RunMount {
    const type = this.type();
    for (const key of this.values.keys()) {
      if (key !== "type" && !TAKES[type].includes(key)) {
        throw this.wrong(`${key} is not for mounts of type ${type}, which take ${TAKES[type].join(", ")}; remove it`);
      }
    }
    switch (type) {
      case "bind":
        return {
          type,
          target: this.target(),
          from: this.from() ?? { kind: "context" },
          source: this.source(),
          readOnly: this.flag("readonly", true),
        };
      case "cache":
        return this.cache();
      case "tmpfs":
        return { type, target: this.target(), ...this.size() };
      case "secret":
        return this.secret();
      case "ssh":
        return {
          type,
          id: this.values.get("id") || "default",
          target: this.values.has("target") ? this.target() : `/run/buildkit/ssh_agent.${agents}`,
          required: this.flag("required", false),
          ...this.permissions(0o600),
        };
    }
  }

  private take(written: string, value: string | undefined): void {
    if (WRITABLE.has(written)) {
      this.values.set("readonly", String(!this.truth(written, value ?? "true")));
      return;
    }
    const key = Object.hasOwn(ALIASES, written) ? ALIASES[written] : KEYS.find((one) => one === written);
    if (key === undefined) {
      const meant = nearest(written, KEYS);
      throw this.wrong(
        `"${written.slice(0, 40)}" is no part of a mount; ${meant === undefined ? `there are ${KEYS.join(", ")}` : `did you mean ${meant}?`}`,
      );
    }
    if (value === undefined && !BARE.has(written)) throw this.wrong(`${written} needs a value, as in ${written}=…`);
    this.values.set(key, value ?? "true");
  }

  private type(): Type {
    const text = this.values.get("type") ?? "bind";
    const type = TYPES.find((one) => one === text.toLowerCase());
    if (type === undefined) throw this.wrong(`"${text.slice(0, 40)}" is no type of mount; there are ${TYPES.join(", ")}`);
    return type;
  }

  private cache(): RunMount {
    const target = this.target();
    const from = this.from();
    const sharing = (this.values.get("sharing") ?? "shared").toLowerCase();
    if (sharing !== "shared" && sharing !== "private" && sharing !== "locked") {
      throw this.wrong(`sharing is shared, private or locked, not "${sharing.slice(0, 40)}"`);
    }
    return {
      type: "cache",
      target,
      id: this.values.get("id") || posix.normalize(this.values.get("target") ?? ""),
      sharing,
      readOnly: this.flag("readonly", false),
      source: this.source(),
      ...this.permissions(0o755),
      ...(from === undefined ? {} : { from }),
    };
  }

  private secret(): RunMount {
    const source = this.values.get("source") ?? "";
    const given = this.values.get("id") ?? "";
    const target = this.values.get("target") ?? "";
    const env = this.values.get("env");
    if (source !== "" && given !== "") throw this.wrong("source and id name the same; remove one");
    const id = source || given || posix.basename(target);
    if (id === "") throw this.wrong("a secret needs an id, as in --mount=type=secret,id=token");
    if (env !== undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(env)) {
      throw this.wrong(`env is the name of a variable, as in env=TOKEN, not "${env.slice(0, 40)}"`);
    }
    const path = target !== "" ? this.target() : env === undefined ? `/run/secrets/${posix.basename(id)}` : undefined;
    return {
      type: "secret",
      id,
      required: this.flag("required", false),
      ...this.permissions(0o400),
      ...(path === undefined ? {} : { target: path }),
      ...(env === undefined ? {} : { env }),
    };
  }

  private from(): FileOrigin | undefined {
    const text = this.values.get("from") ?? "";
    if (text === "" || (text === "scratch" && this.values.get("type")?.toLowerCase() === "cache")) return undefined;
    const origin = this.scope.origins.get(text);
    if (origin === undefined) throw this.wrong(`from=${text.slice(0, 80)} names nothing that can be mounted; name a stage or an image`);
    return origin;
  }

  private target(): string {
    const text = this.values.get("target") ?? "";
    const path = text === "" ? "/" : absolute(this.scope, text);
    if (path === "/") throw this.wrong("a mount needs a target other than /, as in target=/root/.cache");
    return path;
  }

  private source(): string {
    return posix.join("/", this.values.get("source") ?? "").replace(/(?<=.)\/+$/, "");
  }

  private flag(key: Key, otherwise: boolean): boolean {
    const value = this.values.get(key);
    return value === undefined ? otherwise : this.truth(key, value);
  }

  private truth(key: string, value: string): boolean {
    if (/^(?:1|t|true)$/i.test(value)) return true;
    if (/^(?:0|f|false)$/i.test(value)) return false;
    throw this.wrong(`${key} is true or false, not "${value.slice(0, 40)}"`);
  }

  private permissions(mode: number): { readonly mode: number; readonly uid: number; readonly gid: number } {
    return { mode: this.number("mode", mode, 8), uid: this.number("uid", 0, 10), gid: this.number("gid", 0, 10) };
  }

  private number(key: Key, otherwise: number, base: 8 | 10): number {
    const text = this.values.get(key);
    if (text === undefined) return otherwise;
    const value = (base === 8 ? /^[0-7]+$/ : /^\d+$/).test(text) ? Number.parseInt(text, base) : Number.NaN;
    const most = base === 8 ? 0o7777 : 0xffff_fffe;
    if (value <= most) return value;
    throw this.wrong(
      base === 8
        ? `mode is octal, as in mode=0600, not "${text.slice(0, 40)}"`
        : `${key} is a number, as in ${key}=1000, not "${text.slice(0, 40)}"`,
    );
  }

  private size(): { readonly sizeBytes?: number } {
    const text = this.values.get("size");
    if (text === undefined) return {};
    const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text);
    const bytes = Math.trunc(Number(match?.[1]) * (SIZES[match?.[2]?.toLowerCase() ?? ""] ?? Number.NaN));
    if (!Number.isSafeInteger(bytes)) throw this.wrong(`size is a number of bytes, as in size=64m, not "${text.slice(0, 40)}"`);
    return bytes === 0 ? {} : { sizeBytes: bytes };
  }

  private wrong(message: string): BuildProblem {
    return problemAt(this.scope.at, "dockerfile", `RUN --mount: ${message}.`);
  }
}
