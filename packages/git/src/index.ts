export { createGitServer, type GitServer, type GitServerOptions } from "./git-server.ts";
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
