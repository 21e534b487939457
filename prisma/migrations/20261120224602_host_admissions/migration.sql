-- AlterTable
ALTER TABLE "tokens" ADD COLUMN     "roles" TEXT[] DEFAULT ARRAY[]::TEXT[];

-- CreateTable
CREATE TABLE "host_admissions" (
    "host_uid" TEXT NOT NULL,
    "roles" TEXT[],
    "certificate" TEXT,
    "removed_at" TIMESTAMPTZ(3),

    CONSTRAINT "host_admissions_pkey" PRIMARY KEY ("host_uid")
);

-- What hosts declared themselves until now is what they were trusted with: it stays theirs, and more does not become theirs.
INSERT INTO "host_admissions" ("host_uid", "roles")
SELECT uid, ARRAY(SELECT jsonb_array_elements_text(spec -> 'roles')) FROM "objects" WHERE kind = 'Host';
UPDATE "tokens" SET "roles" = '{build,run}' WHERE kind = 'enroll';
