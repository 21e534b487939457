import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import * as bindings from "@prisma/schema-engine-wasm/schema_engine_bg";
import { postgresFactory } from "./postgres-adapter.ts";

export type SchemaEngine = bindings.SchemaEngine;

/** The part of WebAssembly that is used here; TypeScript has it only with the browser's types. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, unknown>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

let loaded = false;

/** The engine calls this name on a panic; its text then becomes the message of the error that reaches us. */
const panics = {
  message: "",
  get: () => panics.message,
  set_message: (message: string) => {
    panics.message = message;
  },
};

function load(): void {
  if (loaded) return;
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: panics });
  const file = new URL("schema_engine_bg.wasm", import.meta.resolve("@prisma/schema-engine-wasm"));
  const module = new WebAssembly.Module(readFileSync(fileURLToPath(file)));
  const instance = new WebAssembly.Instance(module, { "./schema_engine_bg.js": bindings });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports.__wbindgen_start as () => void)();
  loaded = true;
}

/**
 * Prisma's schema engine as WebAssembly, bound to one database: the engine's binary is fetched from a host that an offline
 * machine cannot reach, this one comes with the npm package. It writes the same `_prisma_migrations` table.
 */
export async function openSchemaEngine(databaseUrl: string, schemaPath: string): Promise<SchemaEngine> {
  load();
  const log = (line: string) => {
    if (process.env.DEBUG?.includes("prisma")) console.error(line);
  };
  const datamodels: [string, string][] = [[schemaPath, readFileSync(schemaPath, "utf8")]];
  return bindings.SchemaEngine.new({ datamodels }, log, bindMigrationAwareSqlAdapterFactory(postgresFactory(databaseUrl)));
}
