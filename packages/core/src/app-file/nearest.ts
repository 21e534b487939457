/** The one of `known` that was most likely meant; undefined when none is near. */
export function nearestName(written: string, known: readonly string[]): string | undefined {
  const word = written.slice(0, 40).toLowerCase();
  const scored = known
    .map((name) => ({ name, distance: editDistance(word, name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(Math.min(name.length, word.length) / 3)) || isPartOf(word, name))
    .sort((a, b) => a.distance - b.distance);
  return scored[0]?.name;
}

/** `health` for `healthz`, `mem` for `memory`. */
function isPartOf(word: string, name: string): boolean {
  const other = name.toLowerCase();
  return word.length >= 3 && other.length >= 3 && (other.startsWith(word) || word.startsWith(other));
}

/** Inserted, removed, replaced and swapped letters (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const best = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(swapped ? Math.min(best, at(i - 2, j - 2) + 1) : best);
    }
  }
  return at(a.length, b.length);
}
