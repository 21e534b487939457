/** A word that cannot be expanded; the message says why. The caller knows file and line. */
export class WordError extends Error {}
