import type { AnyClient } from "./client.ts";

/** The packages of an image, or that they are still to be listed. */
export interface ImagePackagesRecord {
  readonly hostUid: string;
  readonly wantedAt: Date;
  readonly listedAt?: Date;
  /** As it came: JSON, gzipped. */
  readonly list?: Uint8Array;
}

/** What packages images hold, once for equal images. Whoever reads it has read an object that names the image. */
export class ImagePackageLists {
  readonly #client: AnyClient;

  constructor(client: AnyClient) {
    this.#client = client;
  }

  /** A host has an image: unless its packages are known, it is to list them. A later host takes over what is not done. */
  async want(image: string, hostUid: string): Promise<void> {
    await this.#client.$executeRaw`
      INSERT INTO image_packages (image, host_uid) VALUES (${image}, ${hostUid})
      ON CONFLICT (image) DO UPDATE SET host_uid = EXCLUDED.host_uid WHERE image_packages.list IS NULL`;
  }

  /** Images whose packages a host is to list, the latest first. */
  async wantedOf(hostUid: string, limit: number): Promise<readonly string[]> {
    const rows = await this.#client.imagePackages.findMany({
      where: { hostUid, list: null },
      orderBy: { wantedAt: "desc" },
      take: limit,
      select: { image: true },
    });
    return rows.map(({ image }) => image);
  }

  /** Keeps a list; false where that host was not to make it, or it is there already. */
  async keep(image: string, hostUid: string, list: Uint8Array): Promise<boolean> {
    const { count } = await this.#client.imagePackages.updateMany({
      where: { image, hostUid, list: null },
      data: { list: Buffer.from(list), listedAt: new Date() },
    });
    return count > 0;
  }

  /** That host cannot make the list. */
  async giveUp(image: string, hostUid: string): Promise<void> {
    await this.#client.imagePackages.deleteMany({ where: { image, hostUid, list: null } });
  }

  async find(image: string): Promise<ImagePackagesRecord | undefined> {
    const row = await this.#client.imagePackages.findUnique({ where: { image } });
    if (row === null) return undefined;
    const { hostUid, wantedAt, listedAt, list } = row;
    return { hostUid, wantedAt, ...(listedAt === null ? {} : { listedAt }), ...(list === null ? {} : { list }) };
  }
}
