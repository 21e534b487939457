/** What was found out lately, by name: the `most` last ones, each for at most `maxAgeMs`. */
export class Recent<T> {
  private readonly most: number;
  private readonly maxAgeMs: number;
  private readonly known = new Map<string, { readonly value: T; readonly atMs: number }>();

  constructor(options: { readonly most: number; readonly maxAgeMs: number }) {
    this.most = options.most;
    this.maxAgeMs = options.maxAgeMs;
  }

  get(name: string): T | undefined {
    const found = this.known.get(name);
    return found === undefined || performance.now() - found.atMs > this.maxAgeMs ? undefined : found.value;
  }

  put(name: string, value: T): T {
    this.known.delete(name);
    this.known.set(name, { value, atMs: performance.now() });
    for (const oldest of this.known.keys()) {
      if (this.known.size <= this.most) break;
      this.known.delete(oldest);
    }
    return value;
  }
}
