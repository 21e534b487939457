import { randomInt } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { AppError, type Resource } from "@plimsoll/core";
import { changeRouting, recordEvent, type Tx } from "@plimsoll/db";
import { chargeCommand, settleCommand } from "./command-quota.ts";
import { TRAFFIC_LABEL, trafficLabel } from "./deployment-status.ts";
import { commandSize } from "./plan-command.ts";
import type { RolloutPlan, RolloutWorld } from "./rollout-world.ts";
import { lockBooks, settledSpec, settleSpec } from "./settle-spec.ts";

/** Nothing in it would change anything. */
export function isNothing(plan: RolloutPlan, { app }: RolloutWorld): boolean {
  const lists = [
    plan.deployments,
    plan.create,
    plan.drain,
    plan.noteDrainVersion,
    plan.stop,
    plan.lose,
    plan.remove,
    plan.removeReleases,
    plan.commandRan,
  ];
  return lists.every((list) => list.length === 0) && plan.events.length === 0 && isDeepStrictEqual(plan.status, app.status);
}

/**
 * Applies a plan in the caller's transaction: all of it or nothing. Everything it changes is compared with what was read, so a plan made
 * from an older state is refused as `conflict`. Hosts and pushes concerned are woken.
 */
export async function applyRollout(tx: Tx, world: RolloutWorld, plan: RolloutPlan): Promise<void> {
  const spec = settledSpec(world, plan);
  const task = plan.create.find((one) => one.task === true);
  if (spec !== undefined || task !== undefined || plan.settleCommands.length > 0) await lockBooks(tx, world.app);
  const app = spec === undefined ? world.app : await settleSpec(tx, world.app, spec);
  for (const one of plan.create) await createInstance(tx, world, one);
  const target = world.open.at(-1);
  if (task !== undefined && target !== undefined) await chargeCommand(tx, world.app, target, task.release);
  for (const deployment of plan.settleCommands) await settleCommand(tx, world.app, deployment);
  for (const release of plan.commandRan)
    await tx.objects.updateStatus(release, { ...release.status, commandRanAt: new Date(world.nowMs).toISOString() });
  for (const instance of plan.stop) await setDesired(tx, instance, "stopped");
  for (const instance of plan.lose) {
    const stopped = await setDesired(tx, instance, "stopped");
    await tx.objects.updateStatus(stopped, {
      ...stopped.status,
      phase: "lost",
      message: `Its host ${instance.spec.host} has not been heard of; it is replaced.`,
    });
  }
  const draining: Resource<"Instance">[] = [...plan.noteDrainVersion];
  for (const instance of plan.drain) draining.push(await setDesired(tx, instance, "draining"));
  for (const instance of plan.remove) await tx.objects.delete(instance);
  for (const { deployment, status } of plan.deployments) {
    await tx.objects.updateStatus(deployment, status);
    if (deployment.spec.pushId !== undefined && status.phase !== deployment.status.phase) tx.wake("push", deployment.spec.pushId);
  }
  await noteTraffic(tx, world, plan);
  for (const release of plan.removeReleases) await tx.objects.delete(release);
  for (const { regarding, note } of plan.events) await recordEvent(tx, regarding, note);
  if (plan.routing) await changeRouting(tx);
  if (draining.length > 0) {
    // Behind changeRouting's own: inside this transaction the counter then stands at the version that holds this change.
    tx.atEnd("drain versions", async () => {
      const drainVersion = await tx.platform.routingVersion();
      for (const instance of draining) await tx.objects.updateStatus(instance, { ...instance.status, drainVersion });
    });
  }
  await tx.objects.updateStatus(app, plan.status);
}

async function createInstance(tx: Tx, world: RolloutWorld, wanted: RolloutPlan["create"][number]): Promise<void> {
  const { app } = world;
  const { process, ordinal, release, hostUid, task } = wanted;
  const host = world.hosts.find((state) => state.host.metadata.uid === hostUid)?.host;
  const spec: { cpuMillis: number; memoryBytes: number; port?: number | undefined } | undefined =
    task === true ? commandSize(release.spec) : release.spec.processes[process];
  if (host === undefined || spec === undefined)
    throw new AppError("internal", `The plan for ${app.metadata.name} names what is not there.`);
  await tx.objects.create({
    kind: "Instance",
    name: `${app.metadata.name}-${process}-v${release.spec.number}-${suffix()}`,
    namespace: namespaceOf(app),
    ownerUid: app.metadata.uid,
    spec: {
      app: app.metadata.name,
      process,
      release: release.spec.number,
      ordinal,
      host: host.metadata.name,
      hostUid,
      cpuMillis: spec.cpuMillis,
      memoryBytes: spec.memoryBytes,
      ...(spec.port === undefined ? {} : { port: spec.port }),
      ...(task === undefined ? {} : { task }),
      desired: "running",
    },
    status: { phase: "scheduled", restarts: 0 },
  });
  tx.wake("sync", hostUid);
}

async function setDesired(
  tx: Tx,
  instance: Resource<"Instance">,
  desired: Resource<"Instance">["spec"]["desired"],
): Promise<Resource<"Instance">> {
  tx.wake("sync", instance.spec.hostUid);
  return tx.objects.updateSpec(instance, { ...instance.spec, desired });
}

/** Once, when the deployment begins: where the ingress counters stand. */
async function noteTraffic(tx: Tx, { open, traffic }: RolloutWorld, plan: RolloutPlan): Promise<void> {
  const target = open.at(-1);
  if (target === undefined || traffic === undefined || TRAFFIC_LABEL in target.metadata.labels) return;
  if (plan.create.length === 0 || plan.deployments.some(({ deployment }) => deployment === target)) return;
  await tx.objects.updateSpec(target, target.spec, { ...target.metadata.labels, [TRAFFIC_LABEL]: trafficLabel(traffic) });
}

/** The namespace of an object in it, as creating its siblings needs it. */
export function namespaceOf({ metadata }: Resource) {
  const { namespaceUid = "", namespace = "", team, teamUid } = metadata;
  return {
    metadata: {
      uid: namespaceUid,
      name: namespace,
      ...(team === undefined ? {} : { team }),
      ...(teamUid === undefined ? {} : { teamUid }),
    },
  };
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

function suffix(): string {
  return Array.from({ length: 6 }, () => ALPHABET[randomInt(ALPHABET.length)]).join("");
}
