/**
 * What root in a container may do to its own namespaces: Docker's default set without NET_RAW (forged packets), MKNOD and AUDIT_WRITE
 * (useless in a user namespace). An instance also lacks SETFCAP: it makes no files for others to gain from; a build does.
 */
export const INSTANCE_CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
] as const;

export const BUILD_CAPABILITIES = [...INSTANCE_CAPABILITIES, "CAP_SETFCAP"] as const;
