import { posix } from "node:path";
import type { Destination } from "./destination.ts";

/** Where the sources of one COPY go. Docker's rules (fsutil/copy): see placeOf. */
export class Placement {
  private readonly destination: Destination;
  private readonly written: string;

  /** `written` is absolute; a trailing slash says that it is a directory. */
  constructor(destination: Destination, written: string) {
    this.destination = destination;
    this.written = written;
  }

  /**
   * The path for one source, its parents made. A file goes into the destination where that is a directory (or is written as one), else
   * takes its place, also of one that came before it; the contents of a directory go into the destination.
   */
  of(source: { readonly name: string; readonly isDirectory: boolean }): string {
    const path = this.destination.resolve(this.written);
    if (source.isDirectory || this.written.endsWith("/")) this.destination.ensureDirectory(path);
    else this.destination.ensureDirectory(posix.dirname(path));
    if (source.isDirectory) return path;
    return this.destination.isDirectory(path) ? posix.join(path, source.name) : path;
  }
}
