"use client";

import type { Me } from "@plimsoll/contracts";
import type { Permission, Role } from "@plimsoll/core";
import { usePathname, useRouter } from "next/navigation";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo } from "react";
import type { ShownProblem } from "#api/problem.ts";
import { onSignedOut, request } from "#api/request.ts";
import { useFetched } from "#api/use-fetched.ts";
import { useWatchStore, WatchProvider } from "#watch/hooks.tsx";

/** Which role may do what, as core's table says; it comes with the page so that browsers need not load core's schemas. */
export type RolePermissions = Readonly<Record<Role, readonly Permission[]>>;

export interface Session {
  /** Undefined until the API has answered. */
  readonly me: Me | undefined;
  readonly problem: ShownProblem | undefined;
  /** Whether to offer an action in a team. The API decides again. */
  readonly can: (team: string, permission: Permission) => boolean;
  readonly reload: () => Promise<void>;
  readonly signOut: () => Promise<void>;
}

const Context = createContext<Session | undefined>(undefined);

export function useSession(): Session {
  const session = useContext(Context);
  if (!session) throw new Error("useSession outside of SessionProvider");
  return session;
}

/** Who is signed in, for the pages below; whoever is not is sent to the login and back. */
export function SessionProvider({ permissions, children }: { readonly permissions: RolePermissions; readonly children: ReactNode }) {
  const toLogin = useToLogin();
  useEffect(() => onSignedOut(toLogin), [toLogin]);
  return (
    <WatchProvider onSignedOut={toLogin}>
      <WithMe permissions={permissions} toLogin={toLogin}>
        {children}
      </WithMe>
    </WatchProvider>
  );
}

function WithMe(props: { readonly permissions: RolePermissions; readonly toLogin: () => void; readonly children: ReactNode }) {
  const { permissions, toLogin } = props;
  const store = useWatchStore();
  const { value: me, problem, again } = useFetched<Me>("/me");
  const session = useMemo<Session>(
    () => ({
      me,
      problem,
      reload: again,
      can: (team, permission) => {
        if (me?.operator) return true;
        const role = me?.teams.find((one) => one.name === team)?.role;
        return role !== undefined && permissions[role].includes(permission);
      },
      signOut: async () => {
        await request("POST", "/logout");
        store.forget();
        toLogin();
      },
    }),
    [me, problem, again, permissions, store, toLogin],
  );
  return <Context value={session}>{props.children}</Context>;
}

function useToLogin(): () => void {
  const router = useRouter();
  const path = usePathname();
  return useCallback(() => router.replace(path === "/" ? "/login" : `/login?next=${encodeURIComponent(path)}`), [router, path]);
}
