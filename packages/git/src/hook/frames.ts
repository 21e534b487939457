/** Kinds of frames from the server to the hook; relay.cjs reads them. */
const KIND = { git: 1, person: 2, exit: 3 } as const;

function frame(kind: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(kind, 0);
  header.writeUInt32BE(payload.length, 1);
  return Buffer.concat([header, payload]);
}

/** Bytes for git: pkt-lines of the proc-receive protocol. */
export const toGit = (payload: Uint8Array): Buffer => frame(KIND.git, payload);
/** Lines for the person who pushes; git puts `remote: ` before each. */
export const toPerson = (lines: readonly string[]): Buffer => frame(KIND.person, Buffer.from(lines.map((line) => `${line}\n`).join("")));
/** The hook ends with this exit code. */
export const exitHook = (code: number): Buffer => frame(KIND.exit, Buffer.from([code]));
