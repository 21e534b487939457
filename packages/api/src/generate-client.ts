import { writeFile } from "node:fs/promises";
import { clientTypes } from "./client-types.ts";
import { PUBLIC_ROUTES } from "./routes/index.ts";

await writeFile(new URL("../../contracts/src/generated/routes.ts", import.meta.url), clientTypes(PUBLIC_ROUTES));
