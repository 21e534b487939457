import { posix } from "node:path";
import { BuildProblem } from "../problem.ts";
import type { Origin } from "./origins.ts";

/** Docker's word for an image as a context. */
const IMAGE = "docker-image://";
const NAME = /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}$/;
const MAX_CONTEXTS = 50;

/**
 * Named build contexts: what a name means in FROM and `--from`, before stages and images of that name (Docker's `--build-context`). A value is
 * a directory of the repository, or `docker-image://` and an image's name. Names count in lower case. Throws BuildProblem.
 */
export function namedContexts(given: Readonly<Record<string, string>>): ReadonlyMap<string, Origin> {
  const contexts = new Map<string, Origin>();
  for (const [name, value] of Object.entries(given)) {
    if (!NAME.test(name)) throw wrong(`"${name.slice(0, 80)}" cannot name a build context; use letters, digits, and . _ - / : in between`);
    contexts.set(name.toLowerCase(), originOf(name, value));
  }
  if (contexts.size > MAX_CONTEXTS) throw wrong(`there are more than ${MAX_CONTEXTS} build contexts; use fewer, larger ones`);
  return contexts;
}

function originOf(name: string, value: string): Origin {
  if (value.startsWith(IMAGE)) {
    const reference = value.slice(IMAGE.length);
    if (reference !== "") return { kind: "image", reference };
  } else if (value !== "" && !/^[a-z-]+:\/\//i.test(value)) {
    const path = posix.normalize(posix.join(".", value)).replace(/\/+$/, "");
    if (path !== ".." && !path.startsWith("../")) return { kind: "directory", path: path === "." ? "" : path };
  }
  throw wrong(`the build context ${name} is "${value.slice(0, 100)}"; give a directory of the repository, or ${IMAGE} and an image's name`);
}

function wrong(message: string): BuildProblem {
  return new BuildProblem({ reason: "dockerfile", message: `${message[0]?.toUpperCase()}${message.slice(1)}.` });
}
