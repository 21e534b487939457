-- CreateIndex
CREATE INDEX "audit_at_idx" ON "audit"("at");

-- Epochs of leases, each given once for all leases together: the row of a lease that is over can go (packages/db/src/leases.ts).
CREATE SEQUENCE lease_epochs;
SELECT setval('lease_epochs', (SELECT COALESCE(max(epoch), 0) + 1 FROM "leases"));

-- What controllers ask for again and again, of tables whose other rows are history.
CREATE INDEX "pushes_open_idx" ON "pushes"("app_uid", "created_at") WHERE state = 'open';
CREATE INDEX "objects_draining_idx" ON "objects"("owner_uid") WHERE kind = 'Instance' AND spec ->> 'desired' = 'draining';
CREATE INDEX "objects_unreleased_idx" ON "objects"("uid") WHERE kind = 'Build' AND phase = 'succeeded' AND NOT status ? 'release';
