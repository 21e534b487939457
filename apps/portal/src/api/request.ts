import { ProblemError, problemOf, unreachable } from "./problem.ts";

export const API = "/api/v1";

/**
 * One request to the API, as JSON. Throws ProblemError. A 401 also tells `onSignedOut` listeners: the session is over wherever it
 * is noticed.
 */
export async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
  let response: Response;
  try {
    response = await fetch(API + path, {
      method,
      cache: "no-store",
      headers: body === undefined ? { accept: "application/json" } : { accept: "application/json", "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    throw unreachable(error);
  }
  if (!response.ok) {
    const error = await problemOf(response);
    if (response.status === 401) for (const listener of listeners) listener();
    throw error;
  }
  if (response.status === 204 || !response.headers.get("content-type")?.includes("json")) return undefined as T;
  try {
    return (await response.json()) as T;
  } catch (error) {
    throw unreachable(error);
  }
}

const listeners = new Set<() => void>();

/** Calls `listener` whenever a request is answered 401. Returns how to stop. */
export function onSignedOut(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The problem of anything thrown by a request. */
export function problemFrom(error: unknown): ProblemError["problem"] {
  return (error instanceof ProblemError ? error : unreachable(error)).problem;
}
