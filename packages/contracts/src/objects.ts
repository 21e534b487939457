import { KINDS, type Kind, Metadata, RESOURCES, type Resource } from "@plimsoll/core";
import { z } from "zod";

type ObjectSchemas = { readonly [K in Kind]: z.ZodType<Resource<K>, Resource<K>> };
type ListSchemas = { readonly [K in Kind]: z.ZodType<ObjectPage<K>, ObjectPage<K>> };

/** A page of a list of objects. */
export interface ObjectPage<K extends Kind> {
  items: Resource<K>[];
  /** Version of the scope when it was read: a watch from here misses nothing. */
  version: number;
  /** Present when there is more: give it as `continue`. */
  continue?: string;
}

/** Schema of each kind of object, whole: what the API answers. */
export const OBJECTS = Object.fromEntries(
  KINDS.map((kind) => [
    kind,
    z.object({ metadata: Metadata.extend({ kind: z.literal(kind) }), spec: RESOURCES[kind].spec, status: RESOURCES[kind].status }),
  ]),
) as unknown as ObjectSchemas;

/** Schema of a list of each kind. */
export const OBJECT_LISTS = Object.fromEntries(
  KINDS.map((kind) => [kind, z.object({ items: z.array(OBJECTS[kind]), version: z.int(), continue: z.string().optional() })]),
) as unknown as ListSchemas;
