import { IgnoreRules, type Verdict } from "./ignore.ts";

/** What a COPY leaves out of a directory that it takes (`--exclude`), or takes of it at all (`--parents`). */
export interface Taking {
  readonly sources: readonly string[];
  /** Sources keep their directories, or those after a `/./`. */
  readonly parents?: boolean;
  readonly exclude?: readonly string[];
}

/** Stands for a directory on the way down. */
export interface FilterState {
  readonly include: Verdict | undefined;
  readonly exclude: Verdict | undefined;
}

export interface FilterVerdict {
  readonly state: FilterState;
  readonly taken: boolean;
  /** Something below a directory may be taken though the directory is not. */
  readonly mayHoldTaken: boolean;
}

/**
 * Which entries below a source are taken. Patterns are those of .dockerignore (BuildKit: fsutil/copy with moby/patternmatcher), relative
 * to the source: a match covers what is below it, `!` takes back.
 */
export class CopyFilter {
  private readonly include: IgnoreRules | undefined;
  private readonly exclude: IgnoreRules | undefined;

  /** Throws PatternError. */
  constructor(options: { readonly include?: string | undefined; readonly exclude?: readonly string[] | undefined }) {
    const { include, exclude = [] } = options;
    this.include = include === undefined ? undefined : IgnoreRules.of([include]);
    this.exclude = exclude.length === 0 ? undefined : IgnoreRules.of(exclude);
  }

  get takesAll(): boolean {
    return this.include === undefined && this.exclude === undefined;
  }

  root(): FilterState {
    return { include: this.include?.root(), exclude: this.exclude?.root() };
  }

  /** `path` is relative to the source. */
  judge(path: string, above: FilterState): FilterVerdict {
    const include = this.include !== undefined && above.include !== undefined ? this.include.judge(path, above.include) : undefined;
    const exclude = this.exclude !== undefined && above.exclude !== undefined ? this.exclude.judge(path, above.exclude) : undefined;
    const isIncluded = include === undefined || include.ignored;
    const isExcluded = exclude?.ignored === true;
    const mayInclude = isIncluded || (include !== undefined && this.include?.reachesBelow(path, include) === true);
    const mayStay = !isExcluded || (exclude !== undefined && this.exclude?.reachesBelow(path, exclude) === true);
    return { state: { include, exclude }, taken: isIncluded && !isExcluded, mayHoldTaken: mayInclude && mayStay };
  }
}

/**
 * How one source is read: the directory or files to start at, and what of that is taken. With `parents` that is everything below the
 * pivot that the rest of the path matches.
 */
export function readSource(
  source: string,
  { parents = false, exclude = [] }: Omit<Taking, "sources">,
): { start: string; filter: CopyFilter } {
  if (!parents) return { start: source, filter: new CopyFilter({ exclude }) };
  const pivot = source.indexOf("/./");
  const start = pivot < 0 ? "/" : source.slice(0, pivot) || "/";
  const rest = pivot < 0 ? source : source.slice(pivot + 3);
  const segments: string[] = [];
  for (const segment of rest.split("/")) {
    if (segment === "..") segments.pop();
    else if (segment !== "" && segment !== ".") segments.push(segment);
  }
  const include = segments.length === 0 ? undefined : segments.join("/");
  return { start, filter: new CopyFilter({ include, exclude }) };
}
