import { AppError } from "@plimsoll/core";
import ssh2 from "ssh2";
import { newPrivateKey } from "../ssh/host-key.ts";

/** A new ed25519 key pair: the private half as OpenSSH keeps it, the public one as a line of a .pub file. */
export function newDeployKeyPair(comment: string): { readonly privateKey: string; readonly publicKey: string } {
  const privateKey = newPrivateKey();
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw new AppError("internal", "A new SSH key could not be read.", { cause: key });
  return { privateKey, publicKey: `${key.type} ${key.getPublicSSH().toString("base64")} ${comment}` };
}
