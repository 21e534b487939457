import type {
  Branch as BranchSchema,
  Connection as ConnectionSchema,
  CreatedConnection as CreatedConnectionSchema,
  CreatedToken as CreatedTokenSchema,
  DeployKey as DeployKeySchema,
  HostDisk as HostDiskSchema,
  HostLoadDetail as HostLoadDetailSchema,
  HostLoad as HostLoadSchema,
  HostToken as HostTokenSchema,
  ImagePackages as ImagePackagesSchema,
  NamespaceDisk as NamespaceDiskSchema,
  RegistryEntry as RegistryEntrySchema,
  RegistryImageList as RegistryImageListSchema,
  SshKey as SshKeySchema,
  Token as TokenSchema,
} from "@plimsoll/contracts";

/** The API's answers as types: browsers read them without carrying their schemas. */
type Output<S extends { readonly _output: unknown }> = S["_output"];

export type SshKey = Output<typeof SshKeySchema>;
export type Token = Output<typeof TokenSchema>;
export type HostLoad = Output<typeof HostLoadSchema>;
export type HostLoadDetail = Output<typeof HostLoadDetailSchema>;
export type HostToken = Output<typeof HostTokenSchema>;
export type HostDisk = Output<typeof HostDiskSchema>;
export type NamespaceDisk = Output<typeof NamespaceDiskSchema>;
export type RegistryEntry = Output<typeof RegistryEntrySchema>;
export type RegistryImageList = Output<typeof RegistryImageListSchema>;
export type ImagePackages = Output<typeof ImagePackagesSchema>;
export type CreatedToken = Output<typeof CreatedTokenSchema>;
export type DeployKey = Output<typeof DeployKeySchema>;
export type Connection = Output<typeof ConnectionSchema>;
export type CreatedConnection = Output<typeof CreatedConnectionSchema>;
export type Branch = Output<typeof BranchSchema>;
export interface Items<T> {
  readonly items: readonly T[];
}
