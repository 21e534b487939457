"use client";

import type { Resource } from "@plimsoll/core";
import { useEffect } from "react";
import { type Fetched, useFetched } from "#api/use-fetched.ts";

const EVERY_MS = 10_000;

/**
 * Reads what no watch tells of hosts: again when one of `hosts` changed, and every ten seconds while somebody looks. Pressure is the mean
 * of as long.
 */
export function useLoad<T>(path: string, hosts: readonly Resource<"Host">[]): Fetched<T> {
  const fetched = useFetched<T>(path);
  const { again } = fetched;
  const versions = hosts
    .map(({ metadata }) => metadata.version)
    .sort()
    .join();
  useEffect(() => {
    if (versions !== "") void again();
  }, [versions, again]);
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void again();
    }, EVERY_MS);
    return () => clearInterval(timer);
  }, [again]);
  return fetched;
}
