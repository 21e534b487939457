import { createHash } from "node:crypto";
import type { ImagePackages } from "@plimsoll/contracts";
import type { ImagePackage } from "@plimsoll/core";

export const CYCLONEDX_TYPE = "application/vnd.cyclonedx+json";

/**
 * The packages of an image as a CycloneDX 1.6 document (https://cyclonedx.org/docs/1.6/json/): the same image gives the same document, its
 * serial number too. Licences are names, as packages state them, and no SPDX ids: nobody has checked them. Pure.
 */
export function cycloneDx({ image, listedAt, packages, notes, distribution }: ImagePackages, named: string): object {
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(image)}`,
    version: 1,
    metadata: {
      ...(listedAt === undefined ? {} : { timestamp: listedAt }),
      tools: { components: [{ type: "application", name: "plimsoll" }] },
      component: { type: "container", "bom-ref": image, name: named, version: image },
      properties: [
        ...(distribution === undefined ? [] : [{ name: "plimsoll:distribution", value: distribution }]),
        ...notes.map((value) => ({ name: "plimsoll:note", value })),
      ],
    },
    components: packages.map(componentOf),
  };
}

function componentOf(one: ImagePackage, at: number): object {
  const { type, name, version, purl, license, paths } = one;
  const [group, bare] = groupOf(one);
  return {
    type: "library",
    "bom-ref": `${at}:${purl ?? name}`,
    ...(group === undefined ? {} : { group }),
    name: bare,
    ...(version === "" ? {} : { version }),
    ...(purl === undefined ? {} : { purl }),
    ...(license === undefined ? {} : { licenses: [{ license: { name: license } }] }),
    evidence: { occurrences: paths.map((location) => ({ location })) },
    properties: [{ name: "plimsoll:type", value: type }],
  };
}

/** `@babel` of `@babel/core`, `org.example` of `org.example:lib`, `monolog` of `monolog/monolog`. */
function groupOf({ type, name }: ImagePackage): readonly [string | undefined, string] {
  const separator = type === "maven" ? ":" : type === "npm" || type === "composer" ? "/" : undefined;
  const at = separator === undefined ? -1 : name.indexOf(separator);
  return at <= 0 || at === name.length - 1 ? [undefined, name] : [name.slice(0, at), name.slice(at + 1)];
}

/** Of its digest, by the layout of version 8 (RFC 9562, 5.8). */
function uuidOf(digest: string): string {
  const bytes = createHash("sha256").update(`plimsoll/packages/${digest}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
