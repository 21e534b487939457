const KEY = "plimsoll-last-namespace";

/** The dashboard one saw last in this browser. Storage may be forbidden: then there is none. */
export const lastPlace = {
  read(): string | undefined {
    try {
      return localStorage.getItem(KEY) ?? undefined;
    } catch {
      return undefined;
    }
  },
  write(path: string): void {
    try {
      localStorage.setItem(KEY, path);
    } catch {
      // Not remembered: home leads to the first namespace.
    }
  },
};
