import type { ProjectFiles } from "../files.ts";
import { dockerfile, dockerignore, type Finding } from "../recipe.ts";
import { gradle } from "./gradle.ts";
import type { JavaBuild } from "./launch.ts";
import { maven } from "./maven.ts";

const IGNORED = ["target", "build", ".gradle", ".idea", "*.iml", "node_modules"];

/** A program for Java's machine, built by Maven or Gradle, run by a JRE. */
export async function detectJava(files: ProjectFiles): Promise<Finding | undefined> {
  const names = await files.list("");
  const found = (await maven(files, names)) ?? (await gradle(files, names));
  if (found === undefined) return undefined;
  if ("missing" in found) return { kind: "unclear", ...found };
  const { version } = found;
  const because = [found.because, found.tool, ...(version.because === undefined ? [] : [version.because])];
  return { kind: "recipe", recipe: { what: found.what, because, dockerfile: recipe(found), dockerignore: dockerignore(...IGNORED) } };
}

function recipe({ image, version, make, copies, cmd }: JavaBuild): string {
  return dockerfile(
    [`FROM ${image} AS build`, "WORKDIR /src", "COPY . .", ...make],
    [`FROM eclipse-temurin:${version.version}-jre`, "WORKDIR /app", ...copies, "USER 10001:10001", `CMD ${cmd}`],
  );
}
