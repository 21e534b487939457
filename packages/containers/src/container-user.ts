import { AppError } from "@plimsoll/core";

/** Who a container's program runs as, by container-side ids. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

/**
 * Resolves an image's USER (`user`, `user:group`, names or numbers, empty for root) with the image's own /etc/passwd and /etc/group as
 * Docker does: a number need not be listed; a name must be; a group of one's own drops the supplementary ones. Throws AppError `invalid`. Pure.
 */
export function resolveUser(user: string, passwdText: string, groupText: string): ContainerUser {
  const [name = "", groupName] = user.split(":", 2);
  const wanted = name === "" ? "0" : name;
  const passwd = rows(passwdText);
  // A listed name wins over a number that looks the same.
  const row = passwd.find(([login]) => login === wanted) ?? passwd.find(([, , uid]) => uid === wanted);
  const uid = row === undefined ? idOf(wanted) : Number(row[2]);
  if (uid === undefined) throw new AppError("invalid", `The image has no user ${JSON.stringify(wanted)} in its /etc/passwd.`);
  const home = row?.[5] === undefined || row[5] === "" ? "/" : row[5];
  const groups = rows(groupText);
  if (groupName !== undefined && groupName !== "") {
    const listed = groups.find(([group]) => group === groupName)?.[2];
    const gid = listed === undefined ? idOf(groupName) : Number(listed);
    if (gid === undefined) throw new AppError("invalid", `The image has no group ${JSON.stringify(groupName)} in its /etc/group.`);
    return { uid, gid, additionalGids: [], home };
  }
  const gid = row === undefined ? 0 : Number(row[3]);
  const login = row?.[0];
  const additionalGids = groups
    .filter(([, , , members]) => login !== undefined && members?.split(",").includes(login) === true)
    .map(([, , id]) => Number(id))
    .filter((id) => Number.isInteger(id) && id !== gid);
  return { uid, gid, additionalGids, home };
}

function rows(text: string): readonly (readonly string[])[] {
  return text
    .split("\n")
    .filter((line) => line.includes(":") && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

/** The kernel's ids are 32 bits; the last one means "none". */
function idOf(text: string): number | undefined {
  const id = Number(text);
  return /^\d+$/.test(text) && id < 0xffffffff ? id : undefined;
}
