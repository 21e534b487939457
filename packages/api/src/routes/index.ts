import type { Route } from "../http/route.ts";
import * as account from "./account.ts";
import * as agent from "./agent.ts";
import * as apps from "./apps.ts";
import * as builds from "./builds.ts";
import * as connections from "./connections.ts";
import * as deployKeys from "./deploy-keys.ts";
import * as disk from "./disk.ts";
import * as hosts from "./hosts.ts";
import * as images from "./images.ts";
import * as instances from "./instances.ts";
import { objectRoutes } from "./objects.ts";
import * as packages from "./packages.ts";
import * as platform from "./platform.ts";
import * as registries from "./registries.ts";
import * as secrets from "./secrets.ts";
import * as sessions from "./sessions.ts";
import * as tenants from "./tenants.ts";
import * as watch from "./watch.ts";

/** The public API: what the OpenAPI document describes. */
export const PUBLIC_ROUTES: readonly Route[] = [
  sessions,
  account,
  tenants,
  apps,
  secrets,
  registries,
  images,
  builds,
  connections,
  deployKeys,
  instances,
  watch,
  hosts,
  disk,
  packages,
  platform,
]
  .flatMap((group) => Object.values(group))
  .concat(objectRoutes);

/** The boundary to our own agents. */
export const AGENT_ROUTES: readonly Route[] = Object.values(agent);
