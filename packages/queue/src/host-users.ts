import { createHash, createHmac } from "node:crypto";
import type { Redis } from "ioredis";

/**
 * What a BullMQ worker needs on Redis 7.0 and nothing more: tried command by command. Never `keys` or `scan` (they see every
 * tenant's), no channels; `client|setinfo` is unknown to 7.0 and would make the whole rule fail.
 */
const WORKER_COMMANDS =
  "hello auth ping info client|setname client|id evalsha eval script|load script|exists bzpopmin zrem zadd xadd xtrim exists del unlink " +
  "hget hset hsetnx zscore hmget hmset hgetall hexists hdel hincrby hlen llen lrange lrem lpush rpush lpop rpop rpoplpush lmove ltrim lindex " +
  "lpos lset zrange zrangebyscore zrevrange zrevrangebyscore zcard zcount zpopmin zremrangebyscore zremrangebyrank zrangebylex zlexcount " +
  "sadd srem scard smembers sismember incr incrby get set pttl pexpire pexpireat time type xlen xrange";

export interface HostUser {
  readonly username: string;
  readonly password: string;
  /** All that it can touch begins with this and a colon. */
  readonly prefix: string;
}

/** The access rule that confines a user to the keys below `prefix`, as arguments of ACL SETUSER. */
export function hostRule(prefix: string, password: string): readonly string[] {
  const hash = createHash("sha256").update(password).digest("hex");
  return [
    "reset",
    "on",
    `#${hash}`,
    `~${prefix}:*`,
    "resetchannels",
    "-@all",
    ...WORKER_COMMANDS.split(" ").map((command) => `+${command}`),
  ];
}

/**
 * A host's password, derived and not stored: whoever makes the user again after Redis lost it makes the same one, and the agent gets in
 * with what it has.
 */
export function hostPassword(key: Uint8Array, hostUid: string): string {
  return createHmac("sha256", key).update(`plimsoll redis user ${hostUid}`).digest("base64url");
}

/** Makes the user or brings its rule up to date. Idempotent; sessions that are logged in stay. */
export async function applyHostUser(redis: Redis, user: HostUser): Promise<void> {
  await redis.call("ACL", "SETUSER", user.username, ...hostRule(user.prefix, user.password));
}

/** Removes the user; its sessions end. Idempotent. */
export async function dropHostUser(redis: Redis, username: string): Promise<void> {
  await redis.call("ACL", "DELUSER", username);
}
