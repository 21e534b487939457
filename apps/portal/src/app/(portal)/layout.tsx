import { ROLE_PERMISSIONS } from "@plimsoll/core";
import type { ReactNode } from "react";
import { type RolePermissions, SessionProvider } from "#session/session.tsx";
import { Header } from "#shell/header.tsx";

/** Pages for people who are signed in. */
export default function PortalLayout({ children }: { readonly children: ReactNode }) {
  const permissions: RolePermissions = { owner: [...ROLE_PERMISSIONS.owner], developer: [...ROLE_PERMISSIONS.developer] };
  return (
    <SessionProvider permissions={permissions}>
      <Header />
      {children}
    </SessionProvider>
  );
}
