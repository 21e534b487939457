export type { DesiredBackend, DesiredIngress, Endpoint } from "./desired.ts";
export { type Applied, Ingress, type IngressOptions } from "./ingress.ts";
export { type IngressPaths, type RenderedIngress, renderIngress } from "./render.ts";
export type { BackendTraffic } from "./traffic.ts";
