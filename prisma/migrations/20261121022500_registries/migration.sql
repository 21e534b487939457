-- CreateTable
CREATE TABLE "registry_access" (
    "namespace_uid" TEXT NOT NULL,
    "registry" TEXT NOT NULL,
    "username" TEXT,
    "sealed" BYTEA,
    "mirrors" TEXT[],
    "changed_at" TIMESTAMPTZ(3) NOT NULL,
    "changed_by" TEXT NOT NULL,

    CONSTRAINT "registry_access_pkey" PRIMARY KEY ("namespace_uid","registry")
);
