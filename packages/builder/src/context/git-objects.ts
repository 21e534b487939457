import { createHash } from "node:crypto";
import { AppError } from "@plimsoll/core";
import { type ChildProcess, minimalEnv, start } from "@plimsoll/exec";
import type { ObjectCache, ObjectId, ObjectType } from "./object-cache.ts";

export type { ObjectId } from "./object-cache.ts";

/** Gets the content of one object in pieces; `begin` first. What it throws ends its own request only, after the object is read. */
export interface ObjectSink {
  begin(type: ObjectType, size: number): void;
  chunk(bytes: Buffer): void;
}

interface Request {
  readonly id: ObjectId;
  readonly sink: ObjectSink;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
  /** What the sink threw; it gets nothing more. */
  failure?: { readonly error: unknown };
}

const OBJECT_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** No configuration but the repository's own, no replaced objects, no prompts, no fetching of what is missing. */
const GIT_ENV = {
  ...minimalEnv,
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_NO_LAZY_FETCH: "1",
  GIT_TERMINAL_PROMPT: "0",
};

/**
 * Reads objects of a bare repository through one `git cat-file --batch` process, started at first use. Only object ids are asked for,
 * never a tenant's path. Requests may overlap; answers come in order. What `cache` knows starts no process. Close it (or `await using`) when done.
 */
export class GitObjects implements AsyncDisposable {
  private readonly repository: string;
  private readonly cache: ObjectCache | undefined;
  private readonly queue: Request[] = [];
  private child: Promise<ChildProcess> | undefined;
  private failed: AppError | undefined;
  private header = "";
  private remaining = -1;

  constructor(repository: string, cache?: ObjectCache) {
    this.repository = repository;
    this.cache = cache;
  }

  /** Streams one object into the sink. Throws AppError `not_found` when the repository lacks it. */
  async stream(id: ObjectId, sink: ObjectSink): Promise<void> {
    if (!OBJECT_ID.test(id)) throw new AppError("invalid", `${JSON.stringify(id).slice(0, 80)} is no git object id`);
    this.child ??= this.startGit();
    const child = await this.child;
    if (this.failed !== undefined) throw this.failed;
    await new Promise<void>((resolve, reject) => {
      this.queue.push({ id, sink, resolve, reject });
      child.stdin?.write(`${id}\n`);
    });
  }

  /** A whole object, checked to be of the type. Throws `not_found`, or `invalid` when it is another type or larger than `maxBytes`. */
  async read(id: ObjectId, type: ObjectType, maxBytes = 64 * 1024 * 1024): Promise<Buffer> {
    const known = this.cache?.get(this.repository, id);
    if (known?.type === type && known.content.length <= maxBytes) return known.content;
    const chunks: Buffer[] = [];
    let actual: ObjectType | undefined;
    let bytes = 0;
    await this.stream(id, {
      begin: (found, size) => {
        actual = found;
        bytes = size;
      },
      chunk: (part) => {
        if (bytes <= maxBytes && actual === type) chunks.push(Buffer.from(part));
      },
    });
    if (actual !== type) throw new AppError("invalid", `git object ${id} is a ${actual}, not a ${type}`);
    if (bytes > maxBytes) throw new AppError("invalid", `git object ${id} has ${bytes} bytes; at most ${maxBytes} are read here`);
    const content = Buffer.concat(chunks);
    this.cache?.put(this.repository, id, { type, content });
    return content;
  }

  async close(): Promise<void> {
    const child = await this.child?.catch(() => undefined);
    this.fail(new AppError("internal", "git cat-file was closed"));
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
    child.kill("SIGKILL");
    await gone;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async startGit(): Promise<ChildProcess> {
    const argv = ["git", "-c", "safe.directory=*", `--git-dir=${this.repository}`, "cat-file", "--batch"];
    const child = await start(argv, { stdio: ["pipe", "pipe", "pipe"], env: GIT_ENV });
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2_000);
    });
    child.stdin?.on("error", () => undefined); // The exit tells why.
    child.stdout?.on("data", (chunk: Buffer) => {
      try {
        this.consume(chunk);
      } catch (error) {
        this.fail(error instanceof AppError ? error : new AppError("internal", "git cat-file could not be read", { cause: error }));
        child.kill("SIGKILL");
      }
    });
    child.once("close", (code) => {
      this.fail(new AppError("internal", `git cat-file in ${this.repository} ended with ${code}: ${errors.trim()}`));
    });
    return child;
  }

  private fail(error: AppError): void {
    this.failed ??= error;
    for (const request of this.queue.splice(0)) request.reject(this.failed);
  }

  /** Header line, content, line feed; again and again, cut anywhere. */
  private consume(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length) {
      const request = this.queue[0];
      if (request === undefined) throw new AppError("internal", "git cat-file said more than it was asked");
      if (this.remaining < 0) {
        const end = chunk.indexOf(10, position);
        this.header += chunk.toString("latin1", position, end < 0 ? chunk.length : end);
        if (end < 0) return;
        position = end + 1;
        this.readHeader(request);
        continue;
      }
      if (this.remaining > 0) {
        const part = chunk.subarray(position, position + this.remaining);
        feed(request, () => request.sink.chunk(part));
        this.remaining -= part.length;
        position += part.length;
      }
      if (this.remaining === 0 && position < chunk.length) {
        position++; // The line feed behind the content.
        this.remaining = -1;
        this.queue.shift();
        if (request.failure === undefined) request.resolve();
        else request.reject(request.failure.error);
      }
    }
  }

  private readHeader(request: Request): void {
    const [, type, size] = this.header.split(" ");
    this.header = "";
    if (size !== undefined) {
      feed(request, () => request.sink.begin(type as ObjectType, Number(size)));
      this.remaining = Number(size);
      return;
    }
    this.queue.shift();
    request.reject(new AppError("not_found", `The repository has no object ${request.id}.`));
  }
}

function feed(request: Request, give: () => void): void {
  if (request.failure !== undefined) return;
  try {
    give();
  } catch (error) {
    request.failure = { error };
  }
}

/** One entry of a tree object. */
export interface TreeEntry {
  readonly name: string;
  readonly kind: "file" | "executable" | "symlink" | "directory" | "submodule";
  /** As in the tree object, `100644`. */
  readonly mode: string;
  readonly id: ObjectId;
}

/**
 * Reads a tree object. Throws AppError `invalid` for what git itself would never make: names with a slash, dot names, repeated names,
 * unknown modes, names that are not UTF-8.
 */
export function parseTree(data: Buffer, idBytes: 20 | 32): readonly TreeEntry[] {
  const entries: TreeEntry[] = [];
  const seen = new Set<string>();
  for (let position = 0; position < data.length; ) {
    const space = data.indexOf(32, position);
    const nul = data.indexOf(0, position);
    if (space < 0 || nul < space || nul + 1 + idBytes > data.length) throw new AppError("invalid", "A git tree object is broken.");
    const mode = data.toString("latin1", position, space);
    const bytes = data.subarray(space + 1, nul);
    const name = bytes.toString("utf8");
    if (!Buffer.from(name, "utf8").equals(bytes)) {
      throw new AppError("invalid", `The file name ${JSON.stringify(name)} is not UTF-8; rename the file.`);
    }
    if (name === "" || name === "." || name === ".." || name.includes("/") || seen.has(name)) {
      throw new AppError("invalid", `A git tree holds the impossible name ${JSON.stringify(name)}.`);
    }
    seen.add(name);
    entries.push({ name, mode, kind: kindOf(mode, name), id: data.toString("hex", nul + 1, nul + 1 + idBytes) });
    position = nul + 1 + idBytes;
  }
  return entries;
}

/** The object id that git gives a tree of these entries (in git's order). */
export function treeId(entries: readonly TreeEntry[], idBytes: 20 | 32): ObjectId {
  const content = Buffer.concat(entries.flatMap(({ mode, name, id }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]));
  return createHash(idBytes === 20 ? "sha1" : "sha256")
    .update(`tree ${content.length}\0`)
    .update(content)
    .digest("hex");
}

function kindOf(mode: string, name: string): TreeEntry["kind"] {
  switch (mode) {
    case "100644":
    case "100664": // Written by very old versions of git.
      return "file";
    case "100755":
      return "executable";
    case "120000":
      return "symlink";
    case "40000":
      return "directory";
    case "160000":
      return "submodule";
    default:
      throw new AppError("invalid", `The file ${JSON.stringify(name)} has mode ${mode}, which git does not know.`);
  }
}

/** Tree id and committer time (seconds) of a commit object. */
export function parseCommit(data: Buffer): { readonly tree: ObjectId; readonly committedAt: number } {
  const header = data.toString("utf8").split("\n\n", 1)[0] ?? "";
  const tree = /^tree ([0-9a-f]+)$/m.exec(header)?.[1];
  const time = /^committer .* (\d+) [+-]\d+$/m.exec(header)?.[1];
  if (tree === undefined || time === undefined) throw new AppError("invalid", "A git commit object is broken.");
  return { tree, committedAt: Number(time) };
}
