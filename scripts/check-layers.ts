/** Part of `npm run check`: DESIGN's layers, read from every import. Takes the root of a tree as its argument, default this one. */
import { resolve } from "node:path";
import { checkLayers } from "./layers/check.ts";

const { files, violations } = checkLayers(resolve(process.argv[2] ?? "."));
for (const { path, line, message } of violations) console.log(`${path}:${line} ${message}`);
console.log(
  `layers: ${files} files, ${violations.length === 0 ? "all as they should be" : `${violations.length} imports that must not be`}`,
);
process.exitCode = violations.length === 0 ? 0 : 1;
