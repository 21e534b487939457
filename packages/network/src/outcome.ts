/** What an `ensure…` function did. */
export type Outcome = "created" | "replaced" | "unchanged";
