import { getSystemErrorName } from "node:util";
import koffi from "koffi";

/**
 * The Linux calls that Node does not offer, through koffi. They act on the calling thread, so they must be made on the main thread:
 * a mount or network namespace entered here is not that of Node's thread pool (all asynchronous fs calls).
 * The numbers are the same on x86_64 and arm64 (unified since Linux 5.1, asm-generic/unistd.h).
 */
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_OPEN_TREE = 428;
const SYS_MOVE_MOUNT = 429;
const SYS_PIDFD_OPEN = 434;
const SYS_OPENAT2 = 437;
const SYS_MOUNT_SETATTR = 442;

export const AT_FDCWD = -100;
export const O_PATH = 0o10000000;
export const O_CLOEXEC = 0o2000000;

const libc = koffi.load("libc.so.6");
const bytes = "const void *";

const c = {
  openTree: libc.func("syscall", "long", ["long", "int", bytes, "uint"]),
  moveMount: libc.func("syscall", "long", ["long", "int", bytes, "int", bytes, "uint"]),
  mountSetattr: libc.func("syscall", "long", ["long", "int", bytes, "uint", bytes, "size_t"]),
  openat2: libc.func("syscall", "long", ["long", "int", bytes, bytes, "size_t"]),
  pidfdOpen: libc.func("syscall", "long", ["long", "int", "uint"]),
  pidfdSendSignal: libc.func("syscall", "long", ["long", "int", "int", "void *", "uint"]),
  mount: libc.func("mount", "int", [bytes, bytes, bytes, "ulong", bytes]),
  umount2: libc.func("umount2", "int", [bytes, "int"]),
  unshare: libc.func("unshare", "int", ["int"]),
  setns: libc.func("setns", "int", ["int", "int"]),
  prctl: libc.func("prctl", "int", ["int", "ulong", "ulong", "ulong", "ulong"]),
  setfsuid: libc.func("setfsuid", "int", ["uint"]),
  setfsgid: libc.func("setfsgid", "int", ["uint"]),
  mknod: libc.func("mknod", "int", [bytes, "uint", "uint64"]),
  utimensat: libc.func("utimensat", "int", ["int", bytes, bytes, "int"]),
  llistxattr: libc.func("llistxattr", "long", [bytes, "void *", "size_t"]),
  lgetxattr: libc.func("lgetxattr", "long", [bytes, bytes, "void *", "size_t"]),
  lsetxattr: libc.func("lsetxattr", "int", [bytes, bytes, bytes, "size_t", "int"]),
  lremovexattr: libc.func("lremovexattr", "int", [bytes, bytes]),
  statvfs: libc.func("statvfs", "int", [bytes, "void *"]),
  syncfs: libc.func("syncfs", "int", ["int"]),
  socket: libc.func("socket", "int", ["int", "int", "int"]),
  ioctl: libc.func("ioctl", "int", ["int", "ulong", "void *"]),
  close: libc.func("close", "int", ["int"]),
  pipe2: libc.func("pipe2", "int", ["void *", "int"]),
};

/** A failed call, in the shape of Node's own errors: `code` is "ENOENT" and the like. */
export class SyscallError extends Error {
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, errno: number, subject: string) {
    const code = getSystemErrorName(-errno);
    super(`${code}: ${syscall} ${subject}`);
    this.name = "SyscallError";
    this.code = code;
    this.syscall = syscall;
  }
}

/** The code of Node's or our system errors: "ENOENT"; undefined for anything else. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

function check(result: number | bigint, syscall: string, subject: string | Uint8Array): number {
  const value = Number(result);
  if (value >= 0) return value;
  const errno = koffi.errno();
  throw new SyscallError(syscall, errno, typeof subject === "string" ? subject : Buffer.from(subject).toString());
}

/** NUL-terminated bytes. A NUL inside would cut a path short, so it is refused. */
function cString(text: string | Uint8Array): Buffer {
  const raw = typeof text === "string" ? Buffer.from(text) : text;
  if (raw.includes(0)) throw new SyscallError("path", 22, "with a NUL byte");
  const terminated = Buffer.alloc(raw.length + 1);
  terminated.set(raw);
  return terminated;
}

const OPEN_TREE_CLONE = 1;
const AT_EMPTY_PATH = 0x1000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_IDMAP = 0x00100000n;
const MOUNT_ATTR_RDONLY = 0x1n;

/** Descriptor of a detached copy of the mount at `path` (not of mounts below it). The caller closes it. */
export function openTreeClone(path: string): number {
  return check(c.openTree(SYS_OPEN_TREE, AT_FDCWD, cString(path), OPEN_TREE_CLONE | O_CLOEXEC), "open_tree", path);
}

/** Id-maps a detached mount by the user namespace, and makes it read-only where asked. */
export function setIdMapping(treeFd: number, usernsFd: number, readOnly: boolean): void {
  const attributes = new BigUint64Array([MOUNT_ATTR_IDMAP | (readOnly ? MOUNT_ATTR_RDONLY : 0n), 0n, 0n, BigInt(usernsFd)]);
  check(c.mountSetattr(SYS_MOUNT_SETATTR, treeFd, cString(""), AT_EMPTY_PATH, attributes, 32), "mount_setattr", `fd ${treeFd}`);
}

/** Attaches a detached mount. */
export function attachTree(treeFd: number, target: string): void {
  check(c.moveMount(SYS_MOVE_MOUNT, treeFd, cString(""), AT_FDCWD, cString(target), MOVE_MOUNT_F_EMPTY_PATH), "move_mount", target);
}

export const RESOLVE = { noMagicLinks: 0x02n, noSymlinks: 0x04n, beneath: 0x08n, inRoot: 0x10n } as const;

/** openat2(2); retried where the kernel could not decide about ".." because of a concurrent rename (EAGAIN). */
export function openat2(dirFd: number, path: Uint8Array, flags: number, resolve: bigint): number {
  const how = new BigUint64Array([BigInt(flags | O_CLOEXEC), 0n, resolve]);
  const name = cString(path);
  for (let attempt = 0; ; attempt++) {
    const fd = Number(c.openat2(SYS_OPENAT2, dirFd, name, how, 24));
    if (fd >= 0) return fd;
    const error = new SyscallError("openat2", koffi.errno(), Buffer.from(path).toString());
    if (error.code !== "EAGAIN" || attempt >= 100) throw error;
  }
}

export const MS = {
  readOnly: 1,
  noSuid: 2,
  noDev: 4,
  noExec: 8,
  remount: 32,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
  slave: 1 << 19,
  shared: 1 << 20,
} as const;

export function mount(source: string, target: string, type: string, flags: number, data = ""): void {
  check(c.mount(cString(source), cString(target), cString(type), flags, cString(data)), "mount", `${type} at ${target}`);
}

export const MNT_DETACH = 2;

export function umount(target: string, flags = 0): void {
  check(c.umount2(cString(target), flags), "umount", target);
}

/** Whether the file system at `path` takes no writes (statvfs f_flag, ST_RDONLY; offset 72 on 64-bit glibc). */
export function isReadOnly(path: string): boolean {
  const buffer = Buffer.alloc(256);
  check(c.statvfs(cString(path), buffer), "statvfs", path);
  return (buffer.readBigUInt64LE(72) & 1n) === 1n;
}

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWNET = 0x40000000;

export function unshare(flags: number): void {
  check(c.unshare(flags), "unshare", `0x${flags.toString(16)}`);
}

export function setns(fd: number, type: number): void {
  check(c.setns(fd, type), "setns", `fd ${fd}`);
}

const PR_GET_SECUREBITS = 27;
const PR_SET_SECUREBITS = 28;
const SECBIT_NO_SETUID_FIXUP = 1 << 2;

/**
 * Runs `body` with the calling thread's file-system user and group set to `id`, all capabilities kept (without the securebit the
 * kernel would drop the file capabilities with fsuid 0). `body` must be synchronous.
 */
export function asFileSystemUser<T>(id: number, body: () => T): T {
  const securebits = check(c.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), "prctl", "PR_GET_SECUREBITS");
  check(c.prctl(PR_SET_SECUREBITS, securebits | SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl", "PR_SET_SECUREBITS");
  try {
    // Both return the former id and never an error; whether they took effect is seen by asking again with an impossible id.
    c.setfsgid(id);
    c.setfsuid(id);
    if (c.setfsuid(0xffffffff) !== id || c.setfsgid(0xffffffff) !== id) throw new SyscallError("setfsuid", 1, String(id));
    return body();
  } finally {
    c.setfsuid(0);
    c.setfsgid(0);
    c.prctl(PR_SET_SECUREBITS, securebits, 0, 0, 0);
  }
}

export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** mknod(2) of a device with number 0 (a whiteout) or of a FIFO. */
export function mknod(path: Uint8Array, mode: number): void {
  check(c.mknod(cString(path), mode, 0), "mknod", path);
}

const AT_SYMLINK_NOFOLLOW = 0x100;

/** Access and modification time of the path itself, in nanoseconds since 1970. */
export function lutimes(path: Uint8Array, timeNs: bigint): void {
  const seconds = timeNs / 1_000_000_000n;
  const rest = timeNs % 1_000_000_000n;
  const times = new BigInt64Array([seconds, rest, seconds, rest]);
  check(c.utimensat(AT_FDCWD, cString(path), times, AT_SYMLINK_NOFOLLOW), "utimensat", path);
}

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h. */
const xattrBuffer = Buffer.alloc(65_536);

export function listXattrs(path: Uint8Array): readonly string[] {
  const length = check(c.llistxattr(cString(path), xattrBuffer, xattrBuffer.length), "llistxattr", path);
  if (length === 0) return [];
  return xattrBuffer
    .subarray(0, length - 1)
    .toString()
    .split("\0");
}

export function getXattr(path: Uint8Array, name: string): Buffer {
  const length = check(c.lgetxattr(cString(path), cString(name), xattrBuffer, xattrBuffer.length), "lgetxattr", path);
  return Buffer.from(xattrBuffer.subarray(0, length));
}

export function setXattr(path: Uint8Array, name: string, value: Uint8Array): void {
  check(c.lsetxattr(cString(path), cString(name), value, value.length, 0), "lsetxattr", path);
}

export function removeXattr(path: Uint8Array, name: string): void {
  check(c.lremovexattr(cString(path), cString(name)), "lremovexattr", path);
}

/** Writes everything of the file system that holds `fd` to disk, on a thread of the pool. */
export function syncFileSystem(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    c.syncfs.async(fd, (error: Error | null, result: number) => {
      if (error !== null) reject(error);
      else if (result < 0) reject(new SyscallError("syncfs", 5, `fd ${fd}`));
      else resolve();
    });
  });
}

/** A pipe whose both ends are close-on-exec: [read end, write end]. The caller closes both. */
export function pipe(): readonly [number, number] {
  const ends = new Int32Array(2);
  check(c.pipe2(ends, O_CLOEXEC), "pipe2", "");
  return [ends[0] ?? -1, ends[1] ?? -1];
}

/** A descriptor of the process, undefined when there is none. The caller closes it. */
export function pidfdOpen(pid: number): number | undefined {
  const fd = Number(c.pidfdOpen(SYS_PIDFD_OPEN, pid, 0));
  if (fd >= 0) return fd;
  const error = new SyscallError("pidfd_open", koffi.errno(), String(pid));
  if (error.code === "ESRCH" || error.code === "EINVAL") return undefined;
  throw error;
}

/** False when the process is gone. */
export function pidfdSendSignal(fd: number, signal: number): boolean {
  if (Number(c.pidfdSendSignal(SYS_PIDFD_SEND_SIGNAL, fd, signal, null, 0)) >= 0) return true;
  const error = new SyscallError("pidfd_send_signal", koffi.errno(), `fd ${fd}`);
  if (error.code === "ESRCH") return false;
  throw error;
}

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;

/** Sets the loopback device of the calling thread's network namespace up (netdevice(7): struct ifreq is 40 bytes, flags at 16). */
export function loopbackUp(): void {
  const socket = check(c.socket(AF_INET, SOCK_DGRAM | O_CLOEXEC, 0), "socket", "AF_INET");
  try {
    const request = Buffer.alloc(40);
    request.write("lo");
    check(c.ioctl(socket, SIOCGIFFLAGS, request), "ioctl", "SIOCGIFFLAGS lo");
    request.writeInt16LE(request.readInt16LE(16) | IFF_UP, 16);
    check(c.ioctl(socket, SIOCSIFFLAGS, request), "ioctl", "SIOCSIFFLAGS lo");
  } finally {
    c.close(socket);
  }
}
