/** Writes docs/reference/plimsoll.schema.json, by which editors check a plimsoll.yaml; a test holds it to the platform's own schema. */
import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { appFileJsonSchema } from "@plimsoll/core/app-file";

const target = resolve(import.meta.dirname, "../docs/reference/plimsoll.schema.json");
await writeFile(target, `${JSON.stringify(appFileJsonSchema(), null, 2)}\n`);
