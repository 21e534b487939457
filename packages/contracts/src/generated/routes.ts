// Generated from the routes of packages/api by `npm run generate:client -w packages/api`; a test keeps it up to date.
import type { Kind, Resource } from "@plimsoll/core";
import type { z } from "zod";
import type * as api from "../api.ts";
import type { ObjectPage } from "../objects.ts";

type In<S extends z.ZodType> = z.input<S>;
type Out<S extends z.ZodType> = z.output<S>;
type List<K extends Kind> = ObjectPage<K>;
/** Query parameters are text on the wire; several of one name are an array. */
type Query<N extends string> = { readonly [K in N]?: string | number | boolean | readonly string[] };

export interface ApiRoutes {
  "DELETE /api/v1/hosts/:host": { params: { host: string }; query?: Query<"force">; answer: null };
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app": { params: { team: string; namespace: string; app: string }; answer: Resource<"App"> };
  "DELETE /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name": { params: { team: string; namespace: string; app: string; name: string }; answer: null };
  "DELETE /api/v1/ssh-keys/:id": { params: { id: string }; answer: null };
  "DELETE /api/v1/tokens/:id": { params: { id: string }; answer: null };
  "GET /api/v1/claim/:code": { params: { code: string }; answer: Out<typeof api.ClaimCheck> };
  "GET /api/v1/healthz": { answer: Out<typeof api.Health> };
  "GET /api/v1/hosts": { query?: Query<"labels" | "limit" | "continue">; answer: List<"Host"> };
  "GET /api/v1/me": { answer: Out<typeof api.Me> };
  "GET /api/v1/namespaces/:team/:namespace": { params: { team: string; namespace: string }; answer: Resource<"Namespace"> };
  "GET /api/v1/namespaces/:team/:namespace/apps": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"App"> };
  "GET /api/v1/namespaces/:team/:namespace/apps/:app/branches": { params: { team: string; namespace: string; app: string }; answer: Out<typeof api.BranchList> };
  "GET /api/v1/namespaces/:team/:namespace/apps/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"App"> };
  "GET /api/v1/namespaces/:team/:namespace/builds": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"Build"> };
  "GET /api/v1/namespaces/:team/:namespace/builds/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"Build"> };
  "GET /api/v1/namespaces/:team/:namespace/builds/:name/log": { params: { team: string; namespace: string; name: string }; answer: Response };
  "GET /api/v1/namespaces/:team/:namespace/deployments": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"Deployment"> };
  "GET /api/v1/namespaces/:team/:namespace/deployments/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"Deployment"> };
  "GET /api/v1/namespaces/:team/:namespace/events": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"Event"> };
  "GET /api/v1/namespaces/:team/:namespace/events/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"Event"> };
  "GET /api/v1/namespaces/:team/:namespace/instances": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"Instance"> };
  "GET /api/v1/namespaces/:team/:namespace/instances/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"Instance"> };
  "GET /api/v1/namespaces/:team/:namespace/instances/:name/log": { params: { team: string; namespace: string; name: string }; query?: Query<"tail" | "follow">; answer: Response };
  "GET /api/v1/namespaces/:team/:namespace/releases": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"Release"> };
  "GET /api/v1/namespaces/:team/:namespace/releases/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"Release"> };
  "GET /api/v1/namespaces/:team/:namespace/routes": { params: { team: string; namespace: string }; query?: Query<"labels" | "limit" | "continue" | "app">; answer: List<"Route"> };
  "GET /api/v1/namespaces/:team/:namespace/routes/:name": { params: { team: string; namespace: string; name: string }; answer: Resource<"Route"> };
  "GET /api/v1/ssh-keys": { answer: Out<typeof api.SshKeyList> };
  "GET /api/v1/teams/:team": { params: { team: string }; answer: Resource<"Team"> };
  "GET /api/v1/teams/:team/namespaces": { params: { team: string }; query?: Query<"labels" | "limit" | "continue">; answer: List<"Namespace"> };
  "GET /api/v1/tokens": { answer: Out<typeof api.TokenList> };
  "GET /api/v1/watch": { query?: Query<"scope">; answer: Response };
  "PATCH /api/v1/hosts/:host": { params: { host: string }; body: In<typeof api.HostPatch>; answer: Resource<"Host"> };
  "PATCH /api/v1/namespaces/:team/:namespace": { params: { team: string; namespace: string }; body: In<typeof api.NamespacePatch>; answer: Resource<"Namespace"> };
  "PATCH /api/v1/namespaces/:team/:namespace/apps/:app": { params: { team: string; namespace: string; app: string }; body: In<typeof api.AppPatch>; answer: Resource<"App"> };
  "PATCH /api/v1/namespaces/:team/:namespace/quota": { params: { team: string; namespace: string }; query?: Query<"dryRun">; body: In<typeof api.QuotaPatch>; answer: Resource<"Namespace"> };
  "PATCH /api/v1/teams/:team": { params: { team: string }; body: In<typeof api.TeamPatch>; answer: Resource<"Team"> };
  "POST /api/v1/claim": { body: In<typeof api.ClaimRequest>; answer: Out<typeof api.Me> };
  "POST /api/v1/host-tokens": { body?: In<typeof api.NewHostToken>; answer: Out<typeof api.HostToken> };
  "POST /api/v1/login": { body: In<typeof api.LoginRequest>; answer: Out<typeof api.Me> };
  "POST /api/v1/logout": { answer: null };
  "POST /api/v1/namespaces/:team/:namespace/apply": { params: { team: string; namespace: string }; query?: Query<"dryRun">; body: In<typeof api.ApplyRequest>; answer: Resource<"App"> };
  "POST /api/v1/namespaces/:team/:namespace/apps": { params: { team: string; namespace: string }; body: In<typeof api.NewApp>; answer: Resource<"App"> };
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/builds": { params: { team: string; namespace: string; app: string }; body: In<typeof api.NewBuild>; answer: Resource<"Build"> };
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy": { params: { team: string; namespace: string; app: string }; body: In<typeof api.DeployImageRequest>; answer: Resource<"Build"> };
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/deploy-branch": { params: { team: string; namespace: string; app: string }; body: In<typeof api.DeployBranchRequest>; answer: Resource<"Build"> };
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/rollback": { params: { team: string; namespace: string; app: string }; body: In<typeof api.RollbackRequest>; answer: Resource<"Deployment"> };
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/scale": { params: { team: string; namespace: string; app: string }; body: In<typeof api.ScaleRequest>; answer: Resource<"App"> };
  "POST /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name/reveal": { params: { team: string; namespace: string; app: string; name: string }; answer: Out<typeof api.SecretValue> };
  "POST /api/v1/namespaces/:team/:namespace/builds/:name/cancel": { params: { team: string; namespace: string; name: string }; answer: Resource<"Build"> };
  "POST /api/v1/ssh-keys": { body: In<typeof api.NewSshKey>; answer: Out<typeof api.SshKey> };
  "POST /api/v1/teams": { body: In<typeof api.NewTeam>; answer: Resource<"Team"> };
  "POST /api/v1/teams/:team/namespaces": { params: { team: string }; body: In<typeof api.NewNamespace>; answer: Resource<"Namespace"> };
  "POST /api/v1/tokens": { body: In<typeof api.NewToken>; answer: Out<typeof api.CreatedToken> };
  "PUT /api/v1/namespaces/:team/:namespace/apps/:app/secrets/:name": { params: { team: string; namespace: string; app: string; name: string }; body: In<typeof api.SecretValue>; answer: null };
}
