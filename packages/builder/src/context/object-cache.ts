/** Object id of git: 40 (SHA-1) or 64 (SHA-256) hex digits. */
export type ObjectId = string;
export type ObjectType = "commit" | "tree" | "blob" | "tag";

/** Commits, directories and Dockerfiles are small; what is larger is read again. */
const MAX_OBJECT_BYTES = 32 * 1024;

interface Known {
  readonly type: ObjectType;
  readonly content: Buffer;
}

/**
 * Small objects of repositories that were read lately: an object never changes under its id, and a build of what was built before needs to
 * start no git for it. By repository, so that an id alone reads nothing of another tenant.
 */
export class ObjectCache {
  private readonly maxBytes: number;
  private readonly objects = new Map<string, Known>();
  private bytes = 0;

  constructor(maxBytes = 2 * 1024 * 1024) {
    this.maxBytes = maxBytes;
  }

  get(repository: string, id: ObjectId): Known | undefined {
    const name = nameOf(repository, id);
    const known = this.objects.get(name);
    if (known === undefined) return undefined;
    // The last one that was of use is the last one to go.
    this.objects.delete(name);
    this.objects.set(name, known);
    return known;
  }

  put(repository: string, id: ObjectId, known: Known): void {
    const name = nameOf(repository, id);
    if (known.content.length > MAX_OBJECT_BYTES || this.objects.has(name)) return;
    this.objects.set(name, known);
    this.bytes += known.content.length + name.length;
    for (const [oldest, { content }] of this.objects) {
      if (this.bytes <= this.maxBytes) break;
      this.objects.delete(oldest);
      this.bytes -= content.length + oldest.length;
    }
  }
}

function nameOf(repository: string, id: ObjectId): string {
  return `${id} ${repository}`;
}
