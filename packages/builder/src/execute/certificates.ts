/** Where commands find the certificates that the operator wants builds to trust. */
const DESTINATION = "/run/plimsoll/ca-certificates.crt";

/** What OpenSSL, Node, curl, git, Python's requests and pip, and Cargo read. */
const VARIABLES = [
  "SSL_CERT_FILE",
  "NODE_EXTRA_CA_CERTS",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
];

/**
 * Makes commands trust the operator's certificate authorities, for hosts behind a proxy that opens TLS: a read-only file and the variables
 * that name it, for the command only. Like proxies, they are of the way to the world and not of the result: in no layer, no image config
 * and no cache key. What the image sets itself counts.
 */
export function trustCertificates(file: string | undefined): {
  readonly env: readonly string[];
  readonly mounts: readonly { source: string; destination: string; readOnly: true }[];
} {
  if (file === undefined) return { env: [], mounts: [] };
  return { env: VARIABLES.map((name) => `${name}=${DESTINATION}`), mounts: [{ source: file, destination: DESTINATION, readOnly: true }] };
}
