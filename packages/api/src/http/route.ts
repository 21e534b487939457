import type { ErrorCode, Permission, Resource } from "@plimsoll/core";
import type { z } from "zod";
import type { Caller, Place } from "../caller.ts";
import type { Api, Context } from "../context.ts";

/**
 * `public`: anybody; `self`: whoever is logged in, for what is their own; `operator`: platform operators, no role of a team ever includes
 * it; `host`: a host's credential and nothing else.
 */
export type Access = Permission | "public" | "self" | "operator" | "host";

type ParamName<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamName<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

/** What the request was answered with: a value for the one response that the route declares, or a whole Response (streams). */
type AnswerOf<R> = R[keyof R] extends infer S ? (S extends z.ZodType ? z.input<S> : null) : never;

/** What every handler gets: the request as the admission pipeline left it. */
export type Input<Path extends string, A extends Access, Q extends z.ZodType, B extends z.ZodType> = {
  readonly api: Api;
  readonly request: Request;
  readonly requestId: string;
  readonly params: Readonly<Record<ParamName<Path>, string>>;
  readonly query: z.output<Q>;
  readonly body: z.output<B>;
  /** Sets a header of the answer. */
  readonly setHeader: (name: string, value: string) => void;
} & (A extends "public"
  ? { readonly clientAddress: string }
  : A extends "host"
    ? { readonly hostUid: string }
    : { readonly caller: Caller; readonly credential: Credential }) &
  ("team" extends ParamName<Path> ? { readonly team: Resource<"Team"> } : unknown) &
  ("namespace" extends ParamName<Path> ? { readonly namespace: Resource<"Namespace">; readonly place: Place } : unknown);

/** What proved who the caller is; kept for streams, which ask again while they last. */
export interface Credential {
  readonly kind: "session" | "api";
  readonly tokenId: string;
  readonly secret: string;
}

interface Definition<Path extends string, A extends Access, Q extends z.ZodType, B extends z.ZodType, R extends Responses> {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: Path;
  /** Without it a route does not compile. With `:team` in the path it is asked for in that team, else on the platform. */
  readonly permission: A;
  /** One line for the reference. */
  readonly summary: string;
  readonly query?: Q;
  readonly body?: B;
  /** Exactly one: the status and schema of success. */
  readonly responses: R;
  /** What it may answer beyond what every route may (invalid, unauthenticated, forbidden, rate_limited, internal). */
  readonly errors: readonly ErrorCode[];
  readonly bodyLimitBytes?: number;
}

interface Handler<I, R> {
  /** Reads, or does what no transaction can hold. */
  readonly handler: (input: I) => Promise<AnswerOf<R> | Response>;
}
interface Commit<I, R> {
  /** Mutates: runs inside the one transaction that holds its changes, audit rows and wake-ups. May run several times. */
  readonly commit: (context: Context, input: I) => Promise<AnswerOf<R>>;
}

export type Responses = Readonly<Record<number, z.ZodType | null | "stream">>;

/** A route as the app mounts it: types forgotten, kept only where they are checked. */
export interface Route {
  readonly method: string;
  readonly path: string;
  readonly permission: Access;
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly responses: Responses;
  readonly errors: readonly ErrorCode[];
  readonly bodyLimitBytes: number;
  readonly handler?: (input: never) => Promise<unknown>;
  readonly commit?: (context: Context, input: never) => Promise<unknown>;
}

const BODY_LIMIT_BYTES = 1024 * 1024;

/** Declares a route. OpenAPI, the client's types and the permission tests are derived from what it says. */
export function route<
  const Path extends string,
  A extends Access,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  const R extends Responses = Responses,
>(definition: Definition<Path, A, Q, B, R> & (Handler<Input<Path, A, Q, B>, R> | Commit<Input<Path, A, Q, B>, R>)): Route {
  return { bodyLimitBytes: BODY_LIMIT_BYTES, ...definition } as Route;
}
