/** What an installation decides; the API reads nothing from the environment. */
export interface ApiSettings {
  /** Where people reach the portal: `http://localhost:8080`, or `https://plimsoll.example`. */
  readonly platformOrigin: string;
  readonly platformDomain: string;
  readonly appsDomain: string;
  /** The platform's network for instances: `10.64.0.0/10`. */
  readonly network: string;
  /** Where ingress, probes and metrics come from: `100.64.0.0/16`. */
  readonly sourceNetwork: string;
  /** The line that makes a machine a host, shown with a new enrolment token. */
  readonly hostCommand: (token: string) => string;
  /** Header in which our own ingress names the client's address (its last entry counts). */
  readonly clientAddressHeader?: string;
}
