import { z } from "zod";
import { AppError } from "./errors.ts";

const HOST = /^(?:localhost|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+)(?::\d{1,5})?$|^[a-z0-9-]+:\d{1,5}$/;
const PATH = /^(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;
/** Names that Docker Hub goes by. */
const DOCKER_HUB = ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"];

const UserName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[^:\p{Cc}]+$/u, "is a registry's user name: no colon, no control characters");
const Password = z
  .string()
  .min(1)
  .max(16_384)
  .regex(/^[^\r\n\0]+$/, "is one line");

/** What a namespace shows a registry. A token goes as the password, with the user name that its registry asks for. */
export const RegistryCredential = z.object({ username: UserName, password: Password });
export type RegistryCredential = z.infer<typeof RegistryCredential>;

/** Mirrors in the order in which they are tried: `host[:port][/path]`. */
export const RegistryMirrors = z.array(z.string().min(1).max(255)).max(5);

/** What a namespace has for its registries, by host: credentials, and mirrors that are asked before the registry itself. */
export const RegistryAccess = z.record(
  z.string(),
  z.object({ credential: RegistryCredential.optional(), mirrors: z.array(z.string()).optional() }),
);
export type RegistryAccess = z.infer<typeof RegistryAccess>;

/** The host of a registry as references name it: lower case, Docker Hub as `docker.io`. AppError `invalid` with what to write. */
export function readRegistryHost(text: string): string {
  const host = text.toLowerCase();
  if (host.length > 255 || !HOST.test(host))
    throw new AppError(
      "invalid",
      `\`${text.slice(0, 200)}\` is no registry; write its host as image names do: ghcr.io, registry.example:5000.`,
    );
  return DOCKER_HUB.includes(host) ? "docker.io" : host;
}

/** Of a namespace's access what one image needs: that of its registry, and of the mirrors that are asked first. Pure. */
export function accessFor(reference: string, access: RegistryAccess): RegistryAccess {
  const slash = reference.indexOf("/");
  const first = slash < 0 ? "" : reference.slice(0, slash);
  // As references are read: a host has a dot or a port, or is localhost.
  const registry = /[.:]/.test(first) || first === "localhost" ? readRegistryHost(first) : "docker.io";
  const mirrors = Object.hasOwn(access, registry) ? (access[registry]?.mirrors ?? []) : [];
  const hosts = new Set([registry, ...mirrors.map((mirror) => readMirror(mirror).host)]);
  return Object.fromEntries(Object.entries(access).filter(([host]) => hosts.has(host)));
}

/** A mirror: a registry's host, and below which path the mirrored names lie there. AppError `invalid`. */
export function readMirror(text: string): { readonly host: string; readonly path: string } {
  const slash = text.indexOf("/");
  const host = readRegistryHost(slash < 0 ? text : text.slice(0, slash));
  const path = slash < 0 ? "" : text.slice(slash);
  if (!PATH.test(path))
    throw new AppError("invalid", `\`${text.slice(0, 200)}\` is no mirror; write registry.example:5000 or registry.example/path.`);
  return { host, path };
}
