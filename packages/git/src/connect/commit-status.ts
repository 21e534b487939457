import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { AppError } from "@plimsoll/core";
import type { AddressGuard } from "./address-guard.ts";
import type { Remote } from "./remote-url.ts";

export type Provider = "github" | "gitlab" | "gitea" | "plain";

export interface CommitStatus {
  readonly commit: string;
  readonly state: "pending" | "success" | "failure";
  readonly description: string;
  /** Where to read on. */
  readonly url: string;
  /** Whose status it is: `plimsoll/store/shop`. */
  readonly context: string;
}

export interface StatusRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const TIMEOUT_MS = 15_000;
const MAX_DESCRIPTION = 140;

/**
 * The request that sets a commit's status: GitHub REST "Create a commit status", GitLab "Set the pipeline status of a commit", Gitea
 * "Create a commit status". undefined where nothing is known of an interface. Pure.
 */
export function statusRequest(provider: Provider, remote: Remote, token: string, status: CommitStatus): StatusRequest | undefined {
  const repository = remote.path
    .replace(/^\//, "")
    .replace(/\/$/, "")
    .replace(/\.git$/, "");
  const scheme = remote.scheme === "http" ? "http" : "https";
  const port = remote.scheme === "ssh" || remote.port === (scheme === "http" ? 80 : 443) ? "" : `:${remote.port}`;
  const origin = `${scheme}://${remote.host}${port}`;
  const description = status.description.slice(0, MAX_DESCRIPTION);
  const common = { "content-type": "application/json", accept: "application/json", "user-agent": "Plimsoll" };
  switch (provider) {
    case "github": {
      // GitHub Enterprise has its interface below its own name.
      const base = remote.host === "github.com" ? "https://api.github.com" : `${origin}/api/v3`;
      return {
        url: `${base}/repos/${repository}/statuses/${status.commit}`,
        headers: {
          ...common,
          accept: "application/vnd.github+json",
          authorization: `Bearer ${token}`,
          "x-github-api-version": "2022-11-28",
        },
        body: JSON.stringify({ state: status.state, target_url: status.url, description, context: status.context }),
      };
    }
    case "gitlab": {
      const state = { pending: "running", success: "success", failure: "failed" }[status.state];
      return {
        url: `${origin}/api/v4/projects/${encodeURIComponent(repository)}/statuses/${status.commit}`,
        headers: { ...common, "private-token": token },
        body: JSON.stringify({ state, target_url: status.url, description, name: status.context }),
      };
    }
    case "gitea":
      return {
        url: `${origin}/api/v1/repos/${repository}/statuses/${status.commit}`,
        headers: { ...common, authorization: `token ${token}` },
        body: JSON.stringify({ state: status.state, target_url: status.url, description, context: status.context }),
      };
    case "plain":
      return undefined;
  }
}

/** Sends it to an address that the guard lets pass, and to no other; follows nothing. AppError `unavailable` for any answer but 2xx. */
export async function sendStatus({ url, headers, body }: StatusRequest, guard: AddressGuard): Promise<void> {
  const { hostname, protocol } = new URL(url);
  const { address, exempt } = await guard.resolve(hostname.replace(/^\[|\]$/g, ""));
  if (protocol === "http:" && !exempt) throw new AppError("invalid", "A token is not sent without TLS.");
  const request = protocol === "http:" ? httpRequest : httpsRequest;
  await new Promise<void>((resolve, reject) => {
    const asked = request(
      url,
      {
        method: "POST",
        headers: { ...headers, "content-length": Buffer.byteLength(body) },
        timeout: TIMEOUT_MS,
        agent: false,
        lookup: (_name, options, done) => {
          const family = address.includes(":") ? 6 : 4;
          if (options.all) done(null, [{ address, family }]);
          else done(null, address, family);
        },
      },
      (answer) => {
        answer.resume();
        const { statusCode = 0 } = answer;
        if (statusCode >= 200 && statusCode < 300) resolve();
        else reject(new AppError("unavailable", `${hostname} answered ${statusCode} to the commit's status: may the token set it?`));
      },
    );
    asked.once("timeout", () => asked.destroy(new Error("no answer in time")));
    asked.once("error", (cause) =>
      reject(new AppError("unavailable", `${hostname} did not take the commit's status: ${cause.message}`, { cause })),
    );
    asked.end(body);
  });
}

/** Which interface a host most likely has. */
export function guessProvider({ host }: Pick<Remote, "host">): Provider {
  if (host === "github.com" || host.startsWith("github.")) return "github";
  if (host === "gitlab.com" || host.startsWith("gitlab.")) return "gitlab";
  if (host === "codeberg.org" || host.startsWith("gitea.") || host.startsWith("forgejo.")) return "gitea";
  return "plain";
}
