import { AppError, type Resource } from "@plimsoll/core";
import { audit, type Context } from "../context.ts";
import { type OpenApp, openApp } from "./open-app.ts";
import { rollOutConfig } from "./roll-out.ts";
import { validAppSpec } from "./spec.ts";

/** Seals a new value; a live app gets a new release with it. The value that it has already changes nothing. */
export async function putSecret(
  context: Context,
  namespace: Resource<"Namespace">,
  appName: string,
  name: string,
  value: string,
): Promise<void> {
  if (value.includes("\0")) throw new AppError("invalid", "A secret's value cannot hold a zero byte: no program could read it.");
  const open = await openApp(context, namespace, appName);
  const { app } = open;
  const appUid = app.metadata.uid;
  const known = app.spec.secrets[name];
  if (known !== undefined && (await openSecret(context, open, name, known)) === value) {
    return audit(context, "secrets.write", app, { secret: name, changed: false });
  }
  // Checked before anything is sealed: a name that is plain environment already is refused.
  validAppSpec({ ...app.spec, secrets: { ...app.spec.secrets, [name]: known ?? 0 } });
  const version = await context.tx.secrets.put(namespace.metadata.uid, appUid, name, value);
  audit(context, "secrets.write", app, { secret: name, version });
  await replaceSecrets(context, open, { ...app.spec.secrets, [name]: version });
}

/** Takes a secret from the app; a live app gets a new release without it. Releases that name it keep it. */
export async function deleteSecret(context: Context, namespace: Resource<"Namespace">, appName: string, name: string): Promise<void> {
  const open = await openApp(context, namespace, appName);
  versionOf(open.app, name);
  const { [name]: _, ...rest } = open.app.spec.secrets;
  audit(context, "secrets.write", open.app, { secret: name, deleted: true });
  await replaceSecrets(context, open, rest);
}

/** The one way a secret's value leaves the platform for a person; each is audited. */
export async function revealSecret(context: Context, namespace: Resource<"Namespace">, appName: string, name: string): Promise<string> {
  const app = await context.tx.objects.getByName("App", namespace.metadata.uid, appName);
  const value = await openSecret(context, { namespace, app }, name, versionOf(app, name));
  audit(context, "secrets.reveal", app, { secret: name });
  return value;
}

async function replaceSecrets(context: Context, { namespace, app }: OpenApp, secrets: Readonly<Record<string, number>>): Promise<void> {
  const updated = await context.tx.objects.updateSpec(app, { ...app.spec, secrets: { ...secrets } });
  await rollOutConfig(context, app.spec, { namespace, app: updated });
}

async function openSecret({ tx }: Context, { namespace, app }: OpenApp, name: string, version: number): Promise<string> {
  const values = await tx.secrets.open(namespace.metadata.uid, app.metadata.uid, { [name]: version });
  return values[name] ?? "";
}

function versionOf(app: Resource<"App">, name: string): number {
  const version = app.spec.secrets[name];
  if (version === undefined)
    throw new AppError("not_found", `App ${app.metadata.name} has no secret ${name}; \`plim secrets\` lists the names.`);
  return version;
}
