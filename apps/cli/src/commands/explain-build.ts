import { writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { readCommitSays } from "@plimsoll/core/app-file";
import { AppError } from "@plimsoll/core/errors";
import { detect, type ProjectFiles } from "@plimsoll/detect";
import type { Call } from "../command.ts";
import { projectFolder } from "../project-folder.ts";
import { plain } from "../render.ts";

/** How a folder would be built, without a platform: `--explain` shows it, `--eject` writes the Dockerfile that would be written for it. */
export async function explainBuild(call: Call): Promise<void> {
  const folder = call.option("folder") ?? ".";
  const files = await projectFolder(folder);
  const { build, config, secrets } = await readCommitSays(files.read);
  const directory = build.directory ?? "";
  const dockerfile = call.option("dockerfile") ?? build.dockerfile ?? posix.join(directory, "Dockerfile");
  const hasDockerfile = (await files.read(dockerfile)) !== undefined;
  const processes = Object.keys(config?.processes ?? {});
  const said = [
    ...(config === undefined || processes.length === 0 ? [] : [`${config.file}: processes ${processes.join(", ")}`]),
    ...(secrets.length === 0 ? [] : [`Needs the secrets ${secrets.join(", ")}`]),
  ];
  if (hasDockerfile) {
    if (call.has("eject")) throw new AppError("conflict", `There is ${dockerfile} already: it is what is built, and nothing was written.`);
    call.show({ dockerfile, directory, processes, secrets }, () => [`Built by ${dockerfile}.`, ...said].join("\n"));
    return;
  }
  if (build.dockerfile !== undefined || call.option("dockerfile") !== undefined)
    throw new AppError("not_found", `There is no ${dockerfile}; add it, or name the one that is there.`);
  const detection = await detect(below(files, directory));
  if (detection.kind === "none") throw new AppError("invalid", detection.message);
  const { recipe } = detection;
  const heading = [`No Dockerfile: this is ${plain(recipe.what)}.`, ...recipe.because.map((why) => `  ${plain(why)}`), ...said];
  if (!call.has("eject")) {
    call.show({ ...recipe, directory, processes, secrets }, () =>
      [...heading, "", "It is built by", "", recipe.dockerfile, "Make it your own: plim build --eject"].join("\n"),
    );
    return;
  }
  const written = [join(folder, directory, "Dockerfile")];
  await writeFile(written[0] ?? "", recipe.dockerfile, { flag: "wx" });
  const ignore = join(folder, directory, ".dockerignore");
  if ((await files.read(posix.join(directory, ".dockerignore"))) === undefined) {
    await writeFile(ignore, recipe.dockerignore, { flag: "wx" });
    written.push(ignore);
  }
  call.show({ ...recipe, written }, () =>
    [...heading, `Written: ${written.join(", ")}. From the next push on the Dockerfile is what is built: commit it.`].join("\n"),
  );
}

function below(files: ProjectFiles, directory: string): ProjectFiles {
  return {
    list: (path) => files.list(posix.join(directory, path).replace(/^\.$/, "")),
    read: (path) => files.read(posix.join(directory, path)),
  };
}
