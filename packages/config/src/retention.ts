const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/**
 * How long, and how much, the platform keeps of everything that would else only grow: the one place. What is not named here is bound to
 * something that people made and can remove (a team, an app, an account), and goes with it.
 */
export const RETENTION = {
  /** A watcher that was away for longer, or missed more, is told `gone` and lists again (invariant 3). */
  changesMs: DAY_MS,
  changesPerScope: 100_000,
  /** A wake-up that found no way out for so long: resyncs have looked at its key many times by then. */
  outboxMs: 10 * MINUTE_MS,
  /** Since a lease ended. Epochs come from one sequence, so that one of the same name begins above it. */
  leasesMs: DAY_MS,
  /** Pushes that are over, and of each app the newest that stay whatever their age: more than git keeps commits of (20). */
  pushesMs: 30 * DAY_MS,
  pushesPerApp: 50,
  /** Since a newer value was written; values that a release names stay with it. */
  secretVersionsMs: DAY_MS,
  /** Expired sessions and tokens. */
  tokensMs: DAY_MS,
  auditMs: 400 * DAY_MS,
  /** What is remembered of a removed host, so that nothing makes its user in Redis again. */
  removedHostsMs: 30 * DAY_MS,
  /** Of each app, those that are over and not needed by what runs. */
  buildsPerApp: 50,
  deploymentsPerApp: 50,
  /** Output of builds that are over, as it lies in the database: the oldest builds of a namespace lose theirs beyond it. */
  buildLogBytesPerNamespace: 256 * 1024 ** 2,
  eventsPerApp: 200,
} as const;
