export type { DesiredBackend, DesiredIngress, Endpoint } from "./desired.ts";
export { type BackendTraffic, Ingress } from "./ingress.ts";
export { type IngressPaths, type RenderedIngress, renderIngress } from "./render.ts";
