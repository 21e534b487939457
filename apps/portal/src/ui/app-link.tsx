"use client";

import Link from "next/link";
import type { ComponentProps } from "react";

/** A link inside the portal. Not fetched before it is clicked: a page of fifty rows would ask for fifty pages. */
export function AppLink(props: ComponentProps<typeof Link>) {
  return <Link prefetch={false} {...props} />;
}
