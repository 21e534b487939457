import {
  AppError,
  formatBytes,
  formatQuantity,
  type ProcessCharge,
  type QuotaDimension,
  type QuotaExcess,
  type QuotaVector,
} from "@plimsoll/core";

export interface Refusal {
  /** What needs it: `Release v16`, `shop`. */
  readonly subject: string;
  readonly excess: QuotaExcess;
  readonly charges: readonly ProcessCharge[];
  /** What the app itself took before; not part of `excess.used`. */
  readonly before: QuotaVector;
  readonly team: string;
  readonly namespace: string;
  /** What the team has not given to any namespace, in this dimension. */
  readonly teamFree: number;
  readonly owners: readonly { readonly email: string }[];
  readonly platformOrigin: string;
}

/** `quota_exceeded`, saying how much is needed, how much there is, who can give more, and with which command. */
export function quotaRefusal(refusal: Refusal): AppError {
  const { excess } = refusal;
  return new AppError("quota_exceeded", `${needSentence(refusal)}\n${moreSentence(refusal)}`, {
    details: { dimension: excess.dimension, asked: excess.asked, used: excess.used, limit: excess.limit },
  });
}

function needSentence({ subject, excess, charges, before, namespace }: Refusal): string {
  const { dimension, asked, used, limit } = excess;
  const others = before[dimension] > 0 ? " by others" : "";
  const free = formatQuantity(dimension, Math.max(0, limit - used));
  return `${subject} needs ${need(dimension, charges, asked)}; namespace ${namespace} has ${usedOf(dimension, used, limit)} used${others}, ${free} free.`;
}

/** `2 × 512 MiB = 1 GiB memory`, `5 instances`. */
function need(dimension: QuotaDimension, charges: readonly ProcessCharge[], asked: number): string {
  const total = formatQuantity(dimension, asked);
  if (dimension === "instances" || dimension === "builds") return total;
  const parts = charges
    .filter(({ replicas }) => replicas > 0)
    .map((one) => `${one.replicas} × ${formatQuantity(dimension, one[dimension])}`);
  return `${parts.join(" + ")} = ${total}${dimension === "memoryBytes" ? " memory" : ""}`;
}

/** `1.5 of 2 GiB`, with the unit once where both have the same. */
function usedOf(dimension: QuotaDimension, used: number, limit: number): string {
  const [usedText, limitText] = [formatQuantity(dimension, used), formatQuantity(dimension, limit)];
  const unit = limitText.slice(limitText.indexOf(" "));
  return `${usedText.endsWith(unit) ? usedText.slice(0, -unit.length) : usedText} of ${limitText}`;
}

function moreSentence({ excess, team, namespace, teamFree, owners, platformOrigin }: Refusal): string {
  const { dimension, asked, used, limit } = excess;
  const free = formatQuantity(dimension, Math.max(0, teamFree));
  const spare = dimension === "memoryBytes" ? `${free} of memory` : free;
  const who = owners.length === 0 ? "An owner of the team" : owners.map(({ email }) => email).join(" or ");
  if (teamFree < used + asked - limit)
    return `Team ${team} has only ${spare} not given to any namespace: ${who} can take some from another namespace, or ask a platform operator to raise the team's quota.`;
  const assignment = quotaAssignment(dimension, used + asked);
  const page = `${platformOrigin}/${team}/quota?namespace=${namespace}&${assignment}`;
  return `Team ${team} has ${spare} not given to any namespace. ${who} can give ${namespace} more:\n  plim quota set ${namespace} ${assignment}        or   ${page}`;
}

const NAMES: Record<QuotaDimension, string> = { cpuMillis: "cpu", memoryBytes: "memory", instances: "instances", builds: "builds" };

/** `memory=3GiB`: enough for `amount`, rounded up to what people would type. */
export function quotaAssignment(dimension: QuotaDimension, amount: number): string {
  if (dimension === "cpuMillis") return `${NAMES[dimension]}=${Math.ceil(amount / 100) / 10}`;
  if (dimension !== "memoryBytes") return `${NAMES[dimension]}=${amount}`;
  const step = amount > 1024 ** 3 ? 512 * 1024 ** 2 : 128 * 1024 ** 2;
  return `${NAMES[dimension]}=${formatBytes(Math.ceil(amount / step) * step).replace(" ", "")}`;
}
