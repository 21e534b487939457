-- AlterTable
ALTER TABLE "ssh_keys" ADD COLUMN     "access" TEXT,
ADD COLUMN     "added_by" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "app_uid" TEXT,
ALTER COLUMN "user_id" DROP NOT NULL;

-- CreateTable
CREATE TABLE "connections" (
    "app_uid" TEXT NOT NULL,
    "url" TEXT NOT NULL,
    "branch" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "auth" TEXT NOT NULL,
    "public_key" TEXT,
    "known_hosts" TEXT NOT NULL DEFAULT '',
    "hook_id" TEXT NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "wanted_at" TIMESTAMPTZ(3),
    "looked_at" TIMESTAMPTZ(3),
    "failure" TEXT,
    "commit" TEXT,
    "build_uid" TEXT,
    "reported" TEXT,
    "unreported" TEXT,

    CONSTRAINT "connections_pkey" PRIMARY KEY ("app_uid")
);

-- CreateIndex
CREATE UNIQUE INDEX "connections_hook_id_key" ON "connections"("hook_id");

-- CreateIndex
CREATE INDEX "ssh_keys_app_uid_idx" ON "ssh_keys"("app_uid");
