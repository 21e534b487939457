-- AlterTable
ALTER TABLE "host_leases" ADD COLUMN     "pressure" JSONB;
