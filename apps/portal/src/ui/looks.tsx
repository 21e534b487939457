"use client";

import { MantineProvider } from "@mantine/core";
import { type ReactNode, useCallback } from "react";
import { theme } from "./theme.ts";

/** Colours and components for all below. `nonce` goes to the style elements that components write. */
export function Looks({ nonce, children }: { readonly nonce: string; readonly children: ReactNode }) {
  const getNonce = useCallback(() => nonce, [nonce]);
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={getNonce}>
      {children}
    </MantineProvider>
  );
}
