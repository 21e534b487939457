/** Names an app by its address in the portal. */
export interface AppRef {
  readonly team: string;
  readonly namespace: string;
  readonly app: string;
}
