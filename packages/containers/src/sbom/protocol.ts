/** A layer as the listing program takes it. */
export interface LayerDirectory {
  /** Its content. */
  readonly dir: string;
  /** Where what it tells is kept. */
  readonly recordPath: string;
}
