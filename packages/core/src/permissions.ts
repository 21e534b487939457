/** What a route asks for: `resource.verb`. Every route declares one; `public` needs none and `self` only a login. */
export const PERMISSIONS = [
  "teams.read",
  "namespaces.read",
  "namespaces.create",
  "apps.read",
  "apps.create",
  "apps.update",
  "apps.delete",
  "builds.read",
  "builds.create",
  "builds.cancel",
  "releases.read",
  "deployments.read",
  "deployments.create",
  "instances.read",
  "routes.read",
  "events.read",
  "logs.read",
  "images.read",
  "images.push",
  "images.delete",
  "secrets.write",
  "secrets.reveal",
  "registries.read",
  "registries.write",
  "quota.read",
  "quota.edit",
  "disk.read",
  "disk.clean",
  "hosts.read",
  "hosts.enroll",
  "keys.manage",
] as const;
export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ["owner", "developer"] as const;
export type Role = (typeof ROLES)[number];

const developer: readonly Permission[] = PERMISSIONS.filter(
  (permission) => !["namespaces.create", "quota.edit", "secrets.reveal", "hosts.read", "hosts.enroll"].includes(permission),
);
const owner: readonly Permission[] = PERMISSIONS.filter((permission) => permission !== "hosts.enroll" && permission !== "hosts.read");

/** The permission table: role → what it may do in its team. Platform operators hold every permission in every team. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, ReadonlySet<Permission>>> = {
  owner: new Set(owner),
  developer: new Set(developer),
};

/** Whether a role grants a permission in its team. */
export function roleAllows(role: Role, permission: Permission): boolean {
  return ROLE_PERMISSIONS[role].has(permission);
}
