import { minimalEnv } from "@plimsoll/exec";

/** How the world is reached from here: proxies and certificate authorities. */
const NAMES = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"],
];

/** The environment of programs that fetch from registries: the minimal one and how the world is reached, nothing else of ours. */
export function outwardEnv(): Readonly<Record<string, string>> {
  const passed = NAMES.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]] as const]));
  return { ...minimalEnv, ...Object.fromEntries(passed) };
}
