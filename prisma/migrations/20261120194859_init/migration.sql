-- CreateTable
CREATE TABLE "objects" (
    "uid" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "scope_uid" TEXT NOT NULL,
    "team_uid" TEXT,
    "namespace_uid" TEXT,
    "name" TEXT NOT NULL,
    "owner_uid" TEXT,
    "host_uid" TEXT,
    "phase" TEXT,
    "labels" JSONB NOT NULL DEFAULT '{}',
    "spec" JSONB NOT NULL,
    "status" JSONB NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 1,
    "version" BIGINT NOT NULL DEFAULT 0,
    "finalizers" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "objects_pkey" PRIMARY KEY ("uid")
);

-- CreateTable
CREATE TABLE "counters" (
    "scope" TEXT NOT NULL,
    "value" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "counters_pkey" PRIMARY KEY ("scope")
);

-- CreateTable
CREATE TABLE "changes" (
    "scope" TEXT NOT NULL,
    "version" BIGINT NOT NULL,
    "type" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "uid" TEXT NOT NULL,
    "object" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "changes_pkey" PRIMARY KEY ("scope","version")
);

-- CreateTable
CREATE TABLE "outbox" (
    "id" BIGSERIAL NOT NULL,
    "job" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "leases" (
    "key" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "epoch" BIGINT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "leases_pkey" PRIMARY KEY ("key")
);

-- CreateTable
CREATE TABLE "audit" (
    "id" BIGSERIAL NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "actor" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "team_uid" TEXT,
    "object_uid" TEXT,
    "request_id" TEXT,
    "details" JSONB NOT NULL,

    CONSTRAINT "audit_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "users" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "operator" BOOLEAN NOT NULL DEFAULT false,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "memberships" (
    "user_id" TEXT NOT NULL,
    "team_uid" TEXT NOT NULL,
    "role" TEXT NOT NULL,

    CONSTRAINT "memberships_pkey" PRIMARY KEY ("user_id","team_uid")
);

-- CreateTable
CREATE TABLE "ssh_keys" (
    "id" TEXT NOT NULL,
    "user_id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "public_key" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ssh_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tokens" (
    "hash" TEXT NOT NULL,
    "id" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "user_id" TEXT,
    "subject" TEXT,
    "name" TEXT NOT NULL DEFAULT '',
    "expires_at" TIMESTAMPTZ(3),
    "used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "tokens_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "data_keys" (
    "namespace_uid" TEXT NOT NULL,
    "wrapped" BYTEA NOT NULL,

    CONSTRAINT "data_keys_pkey" PRIMARY KEY ("namespace_uid")
);

-- CreateTable
CREATE TABLE "secrets" (
    "app_uid" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "sealed" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "secrets_pkey" PRIMARY KEY ("app_uid","name","version")
);

-- CreateTable
CREATE TABLE "route_claims" (
    "host" TEXT NOT NULL,
    "route_uid" TEXT NOT NULL,

    CONSTRAINT "route_claims_pkey" PRIMARY KEY ("host")
);

-- CreateTable
CREATE TABLE "quota_charges" (
    "owner_uid" TEXT NOT NULL,
    "team_uid" TEXT NOT NULL,
    "namespace_uid" TEXT NOT NULL,
    "cpu_millis" BIGINT NOT NULL,
    "memory_bytes" BIGINT NOT NULL,
    "instances" BIGINT NOT NULL,
    "builds" BIGINT NOT NULL,

    CONSTRAINT "quota_charges_pkey" PRIMARY KEY ("owner_uid")
);

-- CreateTable
CREATE TABLE "pushes" (
    "id" TEXT NOT NULL,
    "app_uid" TEXT NOT NULL,
    "commit" TEXT NOT NULL,
    "old_commit" TEXT NOT NULL,
    "branch" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "author" TEXT NOT NULL,
    "pusher" TEXT NOT NULL,
    "build_uid" TEXT,
    "state" TEXT NOT NULL,
    "reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "pushes_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "build_log" (
    "build_uid" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "event" JSONB NOT NULL,

    CONSTRAINT "build_log_pkey" PRIMARY KEY ("build_uid","seq")
);

-- CreateTable
CREATE TABLE "host_leases" (
    "host_uid" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "routing_version" BIGINT NOT NULL DEFAULT 0,
    "traffic" JSONB NOT NULL DEFAULT '[]',

    CONSTRAINT "host_leases_pkey" PRIMARY KEY ("host_uid")
);

-- CreateIndex
CREATE INDEX "objects_scope_uid_kind_uid_idx" ON "objects"("scope_uid", "kind", "uid");

-- CreateIndex
CREATE INDEX "objects_owner_uid_kind_idx" ON "objects"("owner_uid", "kind");

-- CreateIndex
CREATE INDEX "objects_host_uid_kind_idx" ON "objects"("host_uid", "kind");

-- CreateIndex
CREATE INDEX "objects_kind_phase_idx" ON "objects"("kind", "phase");

-- CreateIndex
CREATE INDEX "objects_labels_idx" ON "objects" USING GIN ("labels");

-- CreateIndex
CREATE UNIQUE INDEX "objects_kind_scope_uid_name_key" ON "objects"("kind", "scope_uid", "name");

-- CreateIndex
CREATE INDEX "changes_created_at_idx" ON "changes"("created_at");

-- CreateIndex
CREATE INDEX "audit_team_uid_id_idx" ON "audit"("team_uid", "id");

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE INDEX "memberships_team_uid_idx" ON "memberships"("team_uid");

-- CreateIndex
CREATE UNIQUE INDEX "ssh_keys_fingerprint_key" ON "ssh_keys"("fingerprint");

-- CreateIndex
CREATE INDEX "ssh_keys_user_id_idx" ON "ssh_keys"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "tokens_id_key" ON "tokens"("id");

-- CreateIndex
CREATE INDEX "tokens_user_id_kind_idx" ON "tokens"("user_id", "kind");

-- CreateIndex
CREATE INDEX "route_claims_route_uid_idx" ON "route_claims"("route_uid");

-- CreateIndex
CREATE INDEX "quota_charges_namespace_uid_idx" ON "quota_charges"("namespace_uid");

-- CreateIndex
CREATE INDEX "quota_charges_team_uid_idx" ON "quota_charges"("team_uid");

-- CreateIndex
CREATE INDEX "pushes_app_uid_created_at_idx" ON "pushes"("app_uid", "created_at");

-- AddForeignKey
ALTER TABLE "memberships" ADD CONSTRAINT "memberships_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ssh_keys" ADD CONSTRAINT "ssh_keys_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tokens" ADD CONSTRAINT "tokens_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE CASCADE;
