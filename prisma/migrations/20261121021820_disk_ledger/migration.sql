-- CreateTable
CREATE TABLE "host_disks" (
    "host_uid" TEXT NOT NULL,
    "measured_at" TIMESTAMPTZ(3) NOT NULL,
    "size_bytes" BIGINT NOT NULL,
    "free_bytes" BIGINT NOT NULL,
    "cache_bytes" BIGINT NOT NULL,
    "cache_namespace_bytes" BIGINT NOT NULL,

    CONSTRAINT "host_disks_pkey" PRIMARY KEY ("host_uid")
);

-- CreateTable
CREATE TABLE "disk_uses" (
    "host_uid" TEXT NOT NULL,
    "seq" INTEGER NOT NULL,
    "kind" TEXT NOT NULL,
    "namespace_uids" TEXT[],
    "owners" JSONB NOT NULL,
    "bytes" BIGINT NOT NULL,
    "items" INTEGER NOT NULL,

    CONSTRAINT "disk_uses_pkey" PRIMARY KEY ("host_uid","seq")
);

-- CreateTable
CREATE TABLE "cache_cleanings" (
    "namespace_uid" TEXT NOT NULL,
    "stamp" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "cache_cleanings_pkey" PRIMARY KEY ("namespace_uid")
);

-- CreateIndex
CREATE INDEX "disk_uses_namespace_uids_idx" ON "disk_uses" USING GIN ("namespace_uids");

-- CreateIndex
CREATE INDEX "cache_cleanings_at_idx" ON "cache_cleanings"("at");

-- Whose an image is that a host has, asked with every ledger.
CREATE INDEX "objects_release_image_idx" ON "objects"((spec -> 'image' ->> 'digest')) WHERE kind = 'Release';
