import { AppError, type RegistryCredential, type Resource, readMirror, readRegistryHost } from "@plimsoll/core";
import type { RegistryRecord } from "@plimsoll/db";
import { audit, type Context } from "../context.ts";

/** What a namespace's registries are shown as: that there is a credential, never what it is. */
export function shownRegistry({ registry, username, mirrors, changedAt, changedBy }: RegistryRecord) {
  const user = username === undefined ? {} : { username };
  return { registry, ...user, mirrors: [...mirrors], changedAt: changedAt.toISOString(), changedBy };
}

/** Seals what the namespace shows the registry from now on. What is under way goes on with what it has. */
export async function setRegistryCredential(
  context: Context,
  namespace: Resource<"Namespace">,
  text: string,
  credential: RegistryCredential,
): Promise<void> {
  const registry = readRegistryHost(text);
  const { tx, caller } = context;
  await tx.registries.putCredential({ namespaceUid: namespace.metadata.uid, registry }, credential, caller.name);
  audit(context, "registries.write", namespace, { registry, username: credential.username });
}

/** `not_found` where there is none. */
export async function unsetRegistryCredential(context: Context, namespace: Resource<"Namespace">, text: string): Promise<void> {
  const registry = readRegistryHost(text);
  const { tx, caller } = context;
  if (!(await tx.registries.removeCredential({ namespaceUid: namespace.metadata.uid, registry }, caller.name)))
    throw new AppError(
      "not_found",
      `Namespace ${namespace.metadata.name} has no user name and password for ${registry}; \`plim registries\` lists what it has.`,
    );
  audit(context, "registries.write", namespace, { registry, unset: true });
}

/** The mirrors that are asked before the registry, in this order; none: it is asked itself. */
export async function setRegistryMirrors(
  context: Context,
  namespace: Resource<"Namespace">,
  text: string,
  wanted: readonly string[],
): Promise<void> {
  const registry = readRegistryHost(text);
  const mirrors = wanted.map((one) => {
    const { host, path } = readMirror(one);
    if (host === registry && path === "") throw new AppError("invalid", `${registry} cannot be its own mirror.`);
    return `${host}${path}`;
  });
  if (new Set(mirrors).size < mirrors.length) throw new AppError("invalid", "A mirror is named twice; name each once.");
  const { tx, caller } = context;
  await tx.registries.putMirrors({ namespaceUid: namespace.metadata.uid, registry }, mirrors, caller.name);
  audit(context, "registries.write", namespace, { registry, mirrors });
}
