import { request } from "node:http";
import { connect } from "node:net";
import type { Readiness } from "@plimsoll/core";

export type ProbeResult = { readonly ready: true } | { readonly ready: false; readonly reason: string };

const ATTEMPT_TIMEOUT_MS = 2_000;

/** One look at whether an instance serves: a TCP connection, or an HTTP GET answered with 200 to 399. Never throws. */
export function probe(address: string, port: number | undefined, readiness: Readiness): Promise<ProbeResult> {
  if (readiness.kind === "none" || port === undefined) return Promise.resolve({ ready: true });
  return readiness.kind === "tcp" ? probeTcp(address, port) : probeHttp(address, port, readiness.path);
}

function probeTcp(address: string, port: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: ATTEMPT_TIMEOUT_MS });
    const done = (result: ProbeResult) => {
      socket.destroy();
      resolve(result);
    };
    socket.once("connect", () => done({ ready: true }));
    socket.once("timeout", () => done({ ready: false, reason: `port ${port} did not answer within ${ATTEMPT_TIMEOUT_MS / 1000} s` }));
    socket.once("error", (error: NodeJS.ErrnoException) => done({ ready: false, reason: refusal(`port ${port}`, error) }));
  });
}

function probeHttp(address: string, port: number, path: string): Promise<ProbeResult> {
  const what = `GET ${path} on port ${port}`;
  return new Promise((resolve) => {
    const call = request({ host: address, port, path, agent: false, timeout: ATTEMPT_TIMEOUT_MS }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? { ready: true } : { ready: false, reason: `${what} answered ${status}` });
    });
    call.once("timeout", () => {
      resolve({ ready: false, reason: `${what} did not answer within ${ATTEMPT_TIMEOUT_MS / 1000} s` });
      call.destroy();
    });
    call.once("error", (error: NodeJS.ErrnoException) => resolve({ ready: false, reason: refusal(what, error) }));
    call.end();
  });
}

function refusal(what: string, error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return `${what} refused the connection`;
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `${what} could not be reached`;
    default:
      return `${what} failed: ${error.message}`;
  }
}
