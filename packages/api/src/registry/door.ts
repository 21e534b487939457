import type { IncomingMessage, ServerResponse } from "node:http";
import { AppError, toAppError } from "@plimsoll/core";
import { PLATFORM } from "@plimsoll/db";
import type { Api } from "../context.ts";
import { RateLimiter } from "../http/rate-limit.ts";
import { registryRefusal } from "./errors.ts";
import { ensureAppOf } from "./first-push.ts";
import { forward, readBody } from "./forward.ts";
import { appOf } from "./place.ts";
import type { Registry } from "./registry.ts";
import { type Action, parseManifestReference, parseRepository, type RepositoryName, repositoryText } from "./repository.ts";
import { MANIFEST_TYPES } from "./store.ts";
import { actionOf, parseTarget, pathOf, type Target } from "./target.ts";
import { REGISTRY_SERVICE, type RegistryClaims } from "./tokens.ts";

/** One client's pace. An image has some tens of blobs, each takes two or three requests. */
const RATE = { burst: 1_000, perSecond: 200 };
/** Of a request that is refused. */
const MAX_LEFT_BYTES = 64 * 1024 ** 2;
const READ_ON_MS = 5_000;
/** Whatever the client still sends: the gate is not held by a slow one. */
const NOTHING = Buffer.alloc(0);

/**
 * `/v2/`: docker-registry's own API, for people's tools. Every request shows a token of the token service, which is read here and again by
 * docker-registry; what is passed on is streamed, nothing of a blob is kept in memory. Here the tags of releases are found, `v12` and commits
 * kept free for them, bytes counted, and no path is known but those of apps' repositories.
 */
export function registryDoor(api: Api, registry: Registry): (request: IncomingMessage, response: ServerResponse) => void {
  const limiter = new RateLimiter(RATE, () => api.clock.now().getTime());

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://registry");
    // As it was written: URL has tidied it up.
    const written = (request.url ?? "").split("?")[0] ?? "";
    const target = written === pathname ? parseTarget(written) : undefined;
    const claims = registry.tokens.verify(/^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? "");
    limiter.take(claims?.subject ?? `address/${clientAddress(request)}`);
    if (target === undefined) throw unknownPath(written);
    const action = actionOf(target, request.method ?? "");
    if (action === undefined)
      throw new AppError("unsupported", "The registry does not take this here; `plim images delete` removes images.");
    if (!allow(target, action, claims, response) || claims === undefined) return;
    await answer({ request, response, target, claims, searchParams });
  }

  /** False when it was answered with how to get a token. */
  function allow(target: Target, action: Action | "any", claims: RegistryClaims | undefined, response: ServerResponse): boolean {
    if (target.kind === "base") return claims !== undefined || challenge(response, undefined);
    const name = repositoryText(target.repository);
    const access = claims?.access.find((one) => one.name === name);
    const needed = action === "pull" || action === "any" ? ["pull"] : action === "push" ? ["pull", "push"] : [action];
    if (access === undefined) return challenge(response, `repository:${name}:${needed.join(",")}`);
    if (access.actions.some((one) => one === action)) return true;
    if (access.actions.length > 0 && action !== "delete") {
      const verb = action === "push" ? "push to" : "pull from";
      throw new AppError(
        "forbidden",
        `This token may not ${verb} ${name}; ask for one that may, or an owner of the team for the right to.`,
      );
    }
    if (access.actions.length > 0) return challenge(response, `repository:${name}:${needed.join(",")}`);
    throw new AppError(
      "forbidden",
      `There is no app ${name} whose images you may ${action}; a repository is named <team>/<namespace>/<app>.`,
    );
  }

  function challenge(response: ServerResponse, scope: string | undefined): false {
    const realm = `${api.settings.platformOrigin}/api/v1/registry/token`;
    const scoped = scope === undefined ? "" : `,scope="${scope}"`;
    response.setHeader("www-authenticate", `Bearer realm="${realm}",service="${REGISTRY_SERVICE}"${scoped}`);
    refuse(response, new AppError("unauthenticated", "Log in with your e-mail address and an API token: docker login, skopeo login."));
    return false;
  }

  async function answer(work: Work): Promise<void> {
    const { request, response, target, claims, searchParams } = work;
    switch (target.kind) {
      case "base":
        return forward(registry.store.connection, work, { path: "/v2/" });
      case "tags":
        return sendTags(api, registry, target.repository, searchParams, response);
      case "blob":
        if (request.method !== "HEAD") return forward(registry.store.connection, work, { path: pathOf(target) });
        return registry.gate.shared(async () => {
          await registry.files.touch(target.repository, target.digest);
          await forward(registry.store.connection, work, { path: pathOf(target), body: NOTHING });
        });
      case "manifest":
        if (request.method === "PUT") return putManifest(api, registry, work, target);
        if (request.method === "DELETE") return deleteManifest(api, registry, work, target);
        return forward(registry.store.connection, work, { path: await manifestPath(registry, target) });
      case "uploads":
        await registry.budgets.admitUpload(target.repository);
        await ensureAppOf(api, claims.subject, target.repository);
        return registry.gate.shared(() =>
          forward(registry.store.connection, work, { path: `${pathOf(target)}${mountQuery(searchParams, claims)}`, body: NOTHING }),
        );
      case "upload": {
        const count = await registry.budgets.counter(target.repository);
        const announced = Number(request.headers["content-length"] ?? 0);
        if (request.method !== "GET" && request.method !== "DELETE") await registry.budgets.admit(target.repository, announced, "");
        return forward(registry.store.connection, work, { path: request.url ?? "", count });
      }
    }
  }

  return (request, response) => {
    serve(request, response).catch((error: unknown) => {
      const known = toAppError(error);
      if (known.code === "internal") api.logger.error("a request to the registry failed", { method: request.method, error: known });
      refuse(response, known);
    });
  };
}

interface Work {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
  readonly claims: RegistryClaims;
  readonly searchParams: URLSearchParams;
}

/** What a tag of a release names; of any other tag what people pushed, and only where they pushed none a git tag. */
async function manifestPath(registry: Registry, target: Extract<Target, { kind: "manifest" }>): Promise<string> {
  const { repository, reference, text } = target;
  if (reference.kind === "digest") return pathOf(target);
  const pushed = reference.kind === "tag" && (await registry.files.hasTag(repository, text));
  const digest = pushed ? undefined : await registry.releases.resolve(repository, text);
  return digest === undefined ? pathOf(target) : `/v2/${repositoryText(repository)}/manifests/${digest}`;
}

/** A manifest is read whole before anything is done: it is small, and the gate is not held by a slow client. */
async function putManifest(api: Api, registry: Registry, work: Work, target: Extract<Target, { kind: "manifest" }>): Promise<void> {
  const { request, claims } = work;
  const { repository, reference, text } = target;
  if (reference.kind === "release" || reference.kind === "commit")
    throw new AppError(
      "precondition_failed",
      `The tag ${text} is a release's: numbers and commits are given by the platform; push under another.`,
    );
  const type = (request.headers["content-type"] ?? "").split(";")[0]?.trim() ?? "";
  if (!MANIFEST_TYPES.some((known) => known === type))
    throw new AppError(
      "invalid",
      `Manifests of the type ${JSON.stringify(type.slice(0, 100))} are not kept here: OCI's and Docker's schema 2 are.`,
    );
  const body = await readBody(request);
  await ensureAppOf(api, claims.subject, repository);
  await registry.budgets.admit(repository, body.length, "");
  if (reference.kind === "tag") await registry.budgets.admitTag(repository, text);
  const beforeAnswer = async (status: number) => {
    if (status === 201) await note(api, { actor: claims.subject, action: "images.push", repository, tag: text });
  };
  await registry.gate.shared(() => forward(registry.store.connection, work, { path: pathOf(target), body, beforeAnswer }));
}

/** By its digest, as docker-registry has it, with every tag of it. That of a release is brought anew when it is asked for. */
function deleteManifest(api: Api, registry: Registry, work: Work, target: Extract<Target, { kind: "manifest" }>): Promise<void> {
  const beforeAnswer = async (status: number) => {
    const { repository, text } = target;
    if (status === 202) await note(api, { actor: work.claims.subject, action: "images.delete", repository, tag: text });
  };
  return registry.gate.shared(() => forward(registry.store.connection, work, { path: pathOf(target), body: NOTHING, beforeAnswer }));
}

interface Done {
  readonly actor: string;
  readonly action: "images.push" | "images.delete";
  readonly repository: RepositoryName;
  readonly tag: string;
}

async function note(api: Api, { actor, action, repository, tag }: Done): Promise<void> {
  const app = await appOf(api.db, repository);
  if (app === undefined) return;
  const { uid, teamUid, kind, name } = app.metadata;
  const details = { kind, name, tag };
  const team = teamUid === undefined ? {} : { teamUid };
  await api.db.write({ scope: PLATFORM }, async (tx) => tx.audit({ actor, action, objectUid: uid, details, ...team }));
}

/** Mounting another repository's blob takes the right to pull there; without it the blob is uploaded as any other. */
function mountQuery(query: URLSearchParams, { access }: RegistryClaims): string {
  const [mount, from] = [query.get("mount") ?? "", query.get("from") ?? ""];
  const source = parseRepository(from);
  const granted = source !== undefined && access.some((one) => one.name === from && one.actions.includes("pull"));
  return granted && parseManifestReference(mount)?.kind === "digest"
    ? `?mount=${encodeURIComponent(mount)}&from=${encodeURIComponent(from)}`
    : "";
}

async function sendTags(
  api: Api,
  registry: Registry,
  repository: RepositoryName,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  const app = await appOf(api.db, repository);
  const pushed = (await registry.files.tags(repository)).map(({ tag }) => tag);
  const named = app === undefined ? [] : (await registry.releases.named(app)).map(({ tag }) => tag);
  const all = [...new Set([...pushed, ...named])].sort();
  const [last, count] = [query.get("last") ?? "", Number(query.get("n") ?? Number.NaN)];
  const after = last === "" ? all : all.filter((tag) => tag > last);
  const tags = Number.isInteger(count) && count >= 0 ? after.slice(0, count) : after;
  const end = tags.at(-1);
  if (tags.length < after.length && end !== undefined)
    response.setHeader("link", `</v2/${repositoryText(repository)}/tags/list?last=${end}&n=${count}>; rel="next"`);
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ name: repositoryText(repository), tags }));
}

function refuse(response: ServerResponse, error: AppError): void {
  if (response.headersSent) return void response.destroy();
  const { status, body, retryAfterS } = registryRefusal(error);
  if (retryAfterS !== undefined) response.setHeader("retry-after", String(retryAfterS));
  response.setHeader("connection", "close");
  response.setHeader("content-length", Buffer.byteLength(body));
  response.writeHead(status, { "content-type": "application/json", "docker-distribution-api-version": "registry/2.0" });
  // Ended last: the connection ends with it, and who still sends would then hear of that, and not of why.
  response.write(body, () => readOn(response.req, () => response.end()));
}

/** A client that is still sending sees the answer only if its bytes go on being taken, for a while. */
function readOn(request: IncomingMessage, onEnd: () => void): void {
  if (request.complete || request.destroyed) {
    onEnd();
    return;
  }
  let left = MAX_LEFT_BYTES;
  const timer = setTimeout(() => request.destroy(), READ_ON_MS);
  request.once("close", () => {
    clearTimeout(timer);
    onEnd();
  });
  request.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
}

function unknownPath(path: string): AppError {
  const list = path.startsWith("/v2/_catalog");
  const sentence = list
    ? "`plim images search` finds images; there is no catalog of everybody's."
    : "A repository is named <team>/<namespace>/<app>, each by its own name.";
  return new AppError("not_found", `There is nothing at this address of the registry. ${sentence}`);
}

/** Set by our own ingress; the last entry is what it saw itself. */
function clientAddress({ headers }: IncomingMessage): string {
  const forwarded = headers["x-forwarded-for"];
  return (Array.isArray(forwarded) ? forwarded.at(-1) : forwarded)?.split(",").at(-1)?.trim().slice(0, 64) || "local";
}
