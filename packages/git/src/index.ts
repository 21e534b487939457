export { type AddressGuard, createAddressGuard } from "./connect/address-guard.ts";
export { guessProvider, sendStatus, statusRequest } from "./connect/commit-status.ts";
export type { RemoteCredential } from "./connect/fetch-remote.ts";
export { newDeployKeyPair } from "./connect/key-pair.ts";
export { parseRemote, type Remote } from "./connect/remote-url.ts";
export { createGitServer, type GitServer, type GitServerOptions } from "./git-server.ts";
export { isBranchName } from "./plan-push.ts";
export type {
  CommitFiles,
  FinishedPush,
  GitClock,
  GitLogger,
  GitPorts,
  Principal,
  Pusher,
  PushRecord,
  PushToFinish,
  RepositoryRef,
} from "./ports.ts";
export type { InstanceProgress, PushOutcome, PushProgress } from "./progress.ts";
