-- CreateTable
CREATE TABLE "image_packages" (
    "image" TEXT NOT NULL,
    "host_uid" TEXT NOT NULL,
    "wanted_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "listed_at" TIMESTAMPTZ(3),
    "list" BYTEA,

    CONSTRAINT "image_packages_pkey" PRIMARY KEY ("image")
);

-- CreateIndex
CREATE INDEX "image_packages_host_uid_idx" ON "image_packages"("host_uid");

-- Images of before, as far as their hosts still have them.
INSERT INTO "image_packages" ("image", "host_uid")
SELECT DISTINCT ON (status -> 'image' ->> 'digest') status -> 'image' ->> 'digest', status ->> 'hostUid'
FROM objects
WHERE kind = 'Build' AND phase = 'succeeded' AND status ->> 'hostUid' IS NOT NULL AND status -> 'image' ->> 'digest' IS NOT NULL
ORDER BY status -> 'image' ->> 'digest', uid DESC;
