import { errorCode, type Owner, type RootedTree } from "@plimsoll/host";

/** An owner that nobody can be here. */
export class UnknownOwner extends Error {}

const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_ID = 65_535;

/**
 * Looks up `user`, `user:group`, `1000` or `1000:1000` in the tree's /etc/passwd and /etc/group, as COPY --chown and WORKDIR do: a number
 * alone is the group too, a name alone brings its own group. A user that the image does not know is root, and a group that it does not know
 * is the user's, as in BuildKit (solver/llbsolver/ops/user_linux.go); `tell` is told so. Without it
 * names are insisted on: where there is no image yet, nothing could know them. Throws UnknownOwner.
 */
export function lookUpOwner(tree: RootedTree, text: string, tell?: (sentence: string) => void): Owner {
  const [user = "", group = ""] = text.split(":", 2);
  const id = numeric(user);
  const unknown = (what: string, name: string, file: string, instead: string) => {
    if (tell === undefined) throw new UnknownOwner(`there is no image below that could know the ${what} "${name}"; use a number`);
    tell(`The image has no ${what} "${name}" in ${file}, so it is ${instead}; make one with RUN before this line, or use a number.`);
  };
  const entry = id === undefined ? find(tree, "/etc/passwd", user) : undefined;
  if (id === undefined && entry === undefined && user !== "") unknown("user", user, "/etc/passwd", "root's");
  const uid = checked(id ?? Number(entry?.[2] ?? 0), text);
  const own = checked(id ?? Number(entry?.[3] ?? 0), text);
  if (group === "") return { uid, gid: own };
  const gid = numeric(group) ?? find(tree, "/etc/group", group)?.[2];
  if (gid === undefined) unknown("group", group, "/etc/group", `of group ${own}`);
  return { uid, gid: gid === undefined ? own : checked(Number(gid), text) };
}

function numeric(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function checked(id: number, text: string): number {
  if (Number.isInteger(id) && id >= 0 && id <= MAX_ID) return id;
  throw new UnknownOwner(`"${text}" is outside the ids that a namespace has (0 to ${MAX_ID})`);
}

function find(tree: RootedTree, file: string, name: string): readonly string[] | undefined {
  let content: string;
  try {
    content = tree.readFile(file, MAX_FILE_BYTES).toString("utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    if (errorCode(error) === undefined) throw error;
    throw new UnknownOwner(`"${name}" cannot be looked up: ${file} of the image cannot be read; use a number`);
  }
  return content
    .split("\n")
    .map((line) => line.split(":"))
    .find(([first]) => first === name);
}
