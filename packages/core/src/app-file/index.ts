export { type CommitBuild, type CommitSays, type ReadCommitFile, readCommitSays } from "./read-commit.ts";
export { APP_FILE, appFileJsonSchema } from "./schema.ts";
