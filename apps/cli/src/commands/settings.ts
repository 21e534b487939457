import { AppError, type QuotaVector, type Resource } from "@plimsoll/core";
import type { Command } from "commander";
import { namespacePath, openClient, place, readValue } from "../context.ts";
import { table } from "../render.ts";

interface Where {
  readonly namespace?: string;
}

export function addSettings(program: Command): void {
  program
    .command("env")
    .description("set or remove (NAME=) an app's environment; a live app gets a new release")
    .argument("<app>")
    .argument("[NAME=value...]")
    .option("-n, --namespace <team/namespace>")
    .action(async (app: string, changes: string[], options: Where) => {
      const path = `${namespacePath(await place(options.namespace))}/apps/${encodeURIComponent(app)}`;
      const client = await openClient();
      const found =
        changes.length === 0
          ? await client.get<Resource<"App">>(path)
          : await client.send<Resource<"App">>("PATCH", path, { env: Object.fromEntries(changes.map(assignment)) });
      const secrets = Object.keys(found.spec.secrets).map((name) => [name, "(secret)"]);
      console.log(table([...Object.entries(found.spec.env), ...secrets].map(([name = "", value = ""]) => [name, value])));
    });

  program
    .command("secret")
    .description("set a secret from a file or standard input; it is stored sealed")
    .argument("<app>")
    .argument("<NAME>")
    .option("--from <file>", "file to read, - for standard input", "-")
    .option("-n, --namespace <team/namespace>")
    .action(async (app: string, name: string, options: Where & { from: string }) => {
      const base = namespacePath(await place(options.namespace));
      const client = await openClient();
      await client.send("PUT", `${base}/apps/${encodeURIComponent(app)}/secrets/${encodeURIComponent(name)}`, {
        value: await readValue(options.from),
      });
      console.log(`${app}: secret ${name} is set.`);
    });

  const quota = program.command("quota").description("how much a namespace may use");
  quota
    .command("set")
    .argument("<namespace>", "team/namespace")
    .argument("<dimension=amount...>", "cpu=2 memory=3GiB instances=20 builds=2")
    .option("--dry-run", "say what would happen")
    .action(async (namespace: string, changes: string[], options: { dryRun?: boolean }) => {
      const path = `${namespacePath(await place(namespace))}/quota${options.dryRun === true ? "?dryRun=true" : ""}`;
      const client = await openClient();
      const changed = await client.send<Resource<"Namespace">>("PATCH", path, { quota: parseQuota(changes) });
      console.log(`${namespace}: ${JSON.stringify(changed.spec.quota)}`);
    });

  program
    .command("host")
    .description("hosts of the platform (operators)")
    .command("add")
    .description("print the command that makes another machine a host")
    .action(async () => {
      const client = await openClient();
      const { command } = await client.send<{ command: string }>("POST", "/host-tokens");
      console.log(`Run this on the new host as root, within a day:\n\n  ${command}`);
    });
}

function assignment(text: string): [string, string | null] {
  const at = text.indexOf("=");
  if (at < 1) throw new AppError("invalid", `\`${text}\` is no NAME=value; NAME= removes it.`);
  const value = text.slice(at + 1);
  return [text.slice(0, at), value === "" ? null : value];
}

const UNITS: Record<string, number> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

/** `cpu=1.5 memory=3GiB instances=4 builds=2` as a quota vector's fields. */
export function parseQuota(changes: readonly string[]): Partial<QuotaVector> {
  return Object.assign({}, ...changes.map(parseDimension));
}

function parseDimension(text: string): Partial<QuotaVector> {
  const match = /^(cpu|memory|instances|builds)=(\d+(?:\.\d+)?)(KiB|MiB|GiB|TiB|)$/.exec(text);
  const [, dimension, amount, unit = ""] = match ?? [];
  if (dimension === undefined || amount === undefined || (unit !== "" && dimension !== "memory"))
    throw new AppError("invalid", `\`${text}\` is no quota; write cpu=1.5, memory=3GiB, instances=4 or builds=2.`);
  switch (dimension) {
    case "cpu":
      return { cpuMillis: Math.round(Number(amount) * 1_000) };
    case "memory":
      return { memoryBytes: Math.round(Number(amount) * (UNITS[unit] ?? 1)) };
    case "instances":
      return { instances: Math.floor(Number(amount)) };
    default:
      return { builds: Math.floor(Number(amount)) };
  }
}
