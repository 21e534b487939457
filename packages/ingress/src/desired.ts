/** What an ingress should do: the whole of it. Ids are ours (`[a-z0-9_]`), host names are checked when rendered. */
export interface DesiredIngress {
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  /** The platform's own pages; absent on hosts that have neither portal nor API. */
  readonly platform?: {
    readonly domain: string;
    /** Unix socket paths. */
    readonly portalSocket: string;
    readonly apiSocket: string;
  };
  readonly routes: readonly { readonly host: string; readonly backendId: string }[];
  readonly backends: readonly DesiredBackend[];
}

export interface DesiredBackend {
  readonly id: string;
  /** What people are told while it has no endpoint: that it is being deployed, or that nothing runs. */
  readonly state: "ready" | "deploying" | "empty";
  readonly endpoints: readonly Endpoint[];
}

export interface Endpoint {
  readonly id: string;
  readonly address: string;
  readonly port: number;
  /** `draining`: requests under way end, no new one goes there. */
  readonly state: "ready" | "draining";
}
