import type { DiskKind } from "@plimsoll/contracts";

/** What a path below a host's state directory is, by its name alone. */
export type Place =
  /** A directory of the platform's layout: what is in it is looked at one by one, and its own block counts as `platform`. */
  | { readonly what: "layout" }
  /** Accounted as a whole. */
  | {
      readonly what: "whole";
      readonly kind: DiskKind;
      readonly layer?: string;
      readonly namespaceUid?: string;
      readonly instanceUid?: string;
      readonly appUid?: string;
      /** Of a cache mount, which the builder measures itself. */
      readonly cacheMount?: true;
    };

const HEX = "[0-9a-f]";
const NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,63}";
const LAYOUT: Place = { what: "layout" };

/** From the state directory down; the first that fits counts. What fits none is foreign. */
const PLACES: readonly (readonly [RegExp, (...groups: string[]) => Place])[] = [
  [/^(layers|layers\/tmp|images|snapshots|logs|build-cache|build-cache\/namespaces|mirrors|references|scratch)$/, () => LAYOUT],
  [new RegExp(`^layers/(${HEX}{64})$`), (hex) => ({ what: "whole", kind: "layers", layer: `sha256:${hex}` })],
  [new RegExp(`^layers/tmp/\\d+-\\d+-${HEX}+$`), () => ({ what: "whole", kind: "scratch" })],
  [new RegExp(`^images/${HEX}{64}\\.json$`), () => ({ what: "whole", kind: "platform" })],
  [new RegExp(`^images/\\.${HEX}{16}$`), () => ({ what: "whole", kind: "scratch" })],
  [new RegExp(`^snapshots/(${NAME})$`), (instanceUid) => ({ what: "whole", kind: "instances", instanceUid })],
  [new RegExp(`^logs/${NAME}$`), () => LAYOUT],
  [new RegExp(`^logs/(${NAME})/(${NAME})$`), (namespaceUid, instanceUid) => ({ what: "whole", kind: "logs", namespaceUid, instanceUid })],
  [new RegExp(`^build-cache/namespaces/${NAME}(/mounts(/${HEX}{64})?)?$`), () => LAYOUT],
  [
    new RegExp(`^build-cache/namespaces/(${NAME})/mounts/(${HEX}{64}/\\d+|${HEX}{64}/\\d+\\.new|\\.gone-${HEX}{64}-\\d+)$`),
    (namespaceUid) => ({ what: "whole", kind: "cache-mounts", namespaceUid, cacheMount: true }),
  ],
  [
    new RegExp(`^build-cache/namespaces/(${NAME})/(steps|first-seen)$`),
    (namespaceUid) => ({ what: "whole", kind: "build-cache", namespaceUid }),
  ],
  [/^build-cache\/(code|certificates-[0-9a-f]{16}\.crt(\.\d+\.new)?)$/, () => ({ what: "whole", kind: "platform" })],
  [new RegExp(`^mirrors/(${NAME})\\.git$`), (appUid) => ({ what: "whole", kind: "repositories", appUid })],
  [new RegExp(`^references/(${HEX}{64}\\.json(\\.new)?|lock)$`), () => ({ what: "whole", kind: "platform" })],
  [/^scratch\/(pull|node)-[A-Za-z0-9-]+$/, () => ({ what: "whole", kind: "scratch" })],
  [/^(identity\.json|desired\.sealed|disk\.json|cleaned\.json)(\.new)?$/, () => ({ what: "whole", kind: "platform" })],
];

/** Pure. `path` is relative to the state directory, without a leading slash. A symbolic link is nothing of ours anywhere: the caller says. */
export function placeOf(path: string): Place {
  for (const [pattern, make] of PLACES) {
    const found = pattern.exec(path);
    if (found !== null) return make(...found.slice(1));
  }
  return { what: "whole", kind: "foreign" };
}
