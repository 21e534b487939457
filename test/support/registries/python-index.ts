import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { RequestListener } from "node:http";
import { join } from "node:path";

const normalized = (name: string) => name.toLowerCase().replaceAll(/[-_.]+/g, "-");

/** A package index of wheels in a directory (PEP 503): `/simple/NAME/` and the files themselves. */
export async function pythonIndex(directory: string, wheels: readonly string[]): Promise<RequestListener> {
  const pages = new Map<string, string>();
  for (const wheel of new Set(wheels)) {
    const sum = createHash("sha256")
      .update(await readFile(join(directory, wheel)))
      .digest("hex");
    const name = normalized(wheel.split("-")[0] ?? "");
    pages.set(name, `${pages.get(name) ?? "<!DOCTYPE html><title>Links</title>"}<a href="/files/${wheel}#sha256=${sum}">${wheel}</a>\n`);
  }
  return (request, response) => {
    const [, place, name = ""] = decodeURIComponent(request.url ?? "").split("/");
    if (place === "simple" && pages.has(name)) return void response.setHeader("content-type", "text/html").end(pages.get(name));
    if (place !== "files" || !wheels.includes(name)) return void response.writeHead(404).end();
    void readFile(join(directory, name)).then((content) => response.end(content));
  };
}
