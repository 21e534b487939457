import { AppError } from "@plimsoll/core";
import { authenticate as identify } from "../auth/authenticate.ts";
import { checkOrigin } from "../auth/origin.ts";
import { authorize, authorizeOperator, type Caller, callerOf, findNamespace, findTeam, type Place } from "../caller.ts";
import type { Api, Context } from "../context.ts";
import { readJson } from "./body.ts";
import { invalidInput } from "./problem.ts";
import type { RateLimiter } from "./rate-limit.ts";
import type { Credential, Route } from "./route.ts";
import type { Turns } from "./turns.ts";

/** A request on its way through admission; each step adds what it found out. */
export interface Admission {
  readonly api: Api;
  readonly limiter: RateLimiter;
  readonly turns: Turns;
  readonly route: Route;
  readonly request: Request;
  readonly requestId: string;
  readonly clientAddress: string;
  readonly params: Readonly<Record<string, string>>;
  readonly responseHeaders: Headers;
  caller?: Caller;
  credential?: Credential;
  hostUid?: string;
  team?: Place["team"];
  namespace?: Place["namespace"];
  query?: unknown;
  body?: unknown;
}

/**
 * What every request passes, in this order. Object admission goes on inside `commit`, in its transaction: use cases of apps fill in
 * defaults and validate the merged spec (apps/spec.ts), then charge quota (apps/admit.ts), and what they change, audit and wake
 * commits together.
 */
const STEPS: readonly ((admission: Admission) => Promise<void> | void)[] = [authenticate, rateLimit, locate, allow, fillAndValidate];

/** Takes a request through all steps to its answer; throws AppError where one refuses. */
export async function admit(admission: Admission): Promise<unknown> {
  for (const step of STEPS) await step(admission);
  return admission.route.commit === undefined ? admission.route.handler?.(inputOf(admission) as never) : commit(admission);
}

/** Who is it? Routes of people take sessions and API tokens, those of hosts take host credentials, and neither the other's. */
async function authenticate(admission: Admission): Promise<void> {
  const { api, route, request, requestId } = admission;
  if (route.permission === "public") return checkOrigin(request, api.settings, false);
  const identity = await identify(api, request, route.permission === "host" ? "host" : "user");
  if (identity.kind === "host") {
    admission.hostUid = identity.hostUid;
    return;
  }
  checkOrigin(request, api.settings, identity.credential.kind === "session");
  admission.caller = callerOf(identity.user, requestId);
  admission.credential = identity.credential;
  if (identity.renewedCookie !== undefined) admission.responseHeaders.append("set-cookie", identity.renewedCookie);
}

/** Hosts are ours and not limited: their number and their pace are. */
function rateLimit({ limiter, credential, hostUid, clientAddress }: Admission): void {
  if (hostUid !== undefined) return;
  limiter.take(credential === undefined ? `address/${clientAddress}` : `token/${credential.tokenId}`);
}

/** Finds what the path names, inside the caller's scope: what is another tenant's does not exist. */
async function locate(admission: Admission): Promise<void> {
  const { api, caller, params } = admission;
  if (caller === undefined || params.team === undefined) return;
  admission.team = await findTeam(api.db, caller, params.team);
  if (params.namespace !== undefined) admission.namespace = await findNamespace(api.db, caller, admission.team, params.namespace);
}

/** May they? */
function allow({ route, caller, team }: Admission): void {
  if (route.permission === "public" || route.permission === "self" || route.permission === "host") return;
  if (caller === undefined) throw new AppError("unauthenticated", "Log in first.");
  if (route.permission === "operator") authorizeOperator(caller);
  else authorize(caller, route.permission, team);
}

/** Reads query and body: schemas give absent fields their defaults and refuse what is wrong, naming each field. */
async function fillAndValidate(admission: Admission): Promise<void> {
  const { route, request } = admission;
  if (route.query !== undefined) {
    const parsed = route.query.safeParse(queryOf(request));
    if (!parsed.success) throw invalidInput(parsed.error, "query");
    admission.query = parsed.data;
  }
  if (route.body !== undefined) {
    const parsed = route.body.safeParse(await readJson(request, route.bodyLimitBytes));
    if (!parsed.success) throw invalidInput(parsed.error, "body");
    admission.body = parsed.data;
  }
}

/** Runs the mutation in one transaction with its change, audit and outbox rows; on a dry run nothing stays but the answer. */
async function commit(admission: Admission): Promise<unknown> {
  const { api, route, caller, team, turns } = admission;
  if (caller === undefined || route.commit === undefined) throw new AppError("internal", `${route.path} mutates without a caller.`);
  const work = route.commit;
  const once = () =>
    api.db.write({ scope: caller.scope }, async (tx) => {
      const context: Context = { tx, caller, settings: api.settings };
      const answer = await work(context, inputOf(admission) as never);
      if (isDryRun(admission.query)) throw new DryRun(answer);
      return answer;
    });
  try {
    return await turns.run(team?.metadata.uid ?? caller.actor, once);
  } catch (error) {
    if (error instanceof DryRun) return error.answer;
    throw error;
  }
}

/** Rolls the transaction back and carries its answer out. */
class DryRun extends Error {
  readonly answer: unknown;
  constructor(answer: unknown) {
    super("dry run");
    this.answer = answer;
  }
}

function isDryRun(query: unknown): boolean {
  return typeof query === "object" && query !== null && "dryRun" in query && query.dryRun === true;
}

function inputOf(admission: Admission): object {
  const { api, request, requestId, params, query, body, caller, credential, hostUid, team, namespace, clientAddress } = admission;
  const setHeader = (name: string, value: string) => admission.responseHeaders.append(name, value);
  const place = team !== undefined && namespace !== undefined ? { team, namespace } : undefined;
  return { api, request, requestId, params, query, body, caller, credential, hostUid, team, namespace, place, clientAddress, setHeader };
}

/** `?a=1&b=2&b=3` as `{a: "1", b: ["2", "3"]}`. */
function queryOf(request: Request): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null);
  const parameters = new URL(request.url).searchParams;
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name);
    query[name] = values.length === 1 ? (values[0] ?? "") : values;
  }
  return query;
}
