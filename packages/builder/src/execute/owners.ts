import { errorCode, type Owner, type RootedTree } from "@plimsoll/host";

/** A user or group that the image does not know. */
export class UnknownOwner extends Error {}

const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_ID = 65_535;

/**
 * Looks up `user`, `user:group`, `1000` or `1000:1000` in the tree's /etc/passwd and /etc/group, as COPY --chown and WORKDIR do: a number
 * alone is the group too, a name alone brings its own group. Throws UnknownOwner.
 */
export function lookUpOwner(tree: RootedTree, text: string): Owner {
  const [user = "", group] = text.split(":", 2);
  const id = numeric(user);
  const entry = id === undefined ? find(tree, "/etc/passwd", user, "user") : undefined;
  const uid = checked(id ?? Number(entry?.[2]), text);
  if (group !== undefined && group !== "") {
    return { uid, gid: checked(numeric(group) ?? Number(find(tree, "/etc/group", group, "group")[2]), text) };
  }
  return { uid, gid: checked(id ?? Number(entry?.[3]), text) };
}

function numeric(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function checked(id: number, text: string): number {
  if (Number.isInteger(id) && id >= 0 && id <= MAX_ID) return id;
  throw new UnknownOwner(`"${text}" is outside the ids that a namespace has (0 to ${MAX_ID})`);
}

function find(tree: RootedTree, file: string, name: string, what: string): readonly string[] {
  let content: string;
  try {
    content = tree.readFile(file, MAX_FILE_BYTES).toString("utf8");
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    throw new UnknownOwner(`the ${what} "${name}" cannot be looked up: the image has no readable ${file}; use a number`);
  }
  const entry = content
    .split("\n")
    .map((line) => line.split(":"))
    .find(([first]) => first === name);
  if (entry === undefined)
    throw new UnknownOwner(`the image has no ${what} "${name}" in ${file}; make one with RUN before this line, or use a number`);
  return entry;
}
