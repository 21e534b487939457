/** What people see when there is nothing to serve. Constant texts: nothing of a request or a tenant gets in. */
const STYLE =
  ":root{color-scheme:light dark}body{margin:0;min-height:100vh;display:grid;place-items:center;font:16px/1.5 system-ui,sans-serif;background:#f8f9fa;color:#212529}" +
  "main{max-width:30rem;padding:2rem}h1{font-size:1.25rem;margin:0 0 .5rem}p{margin:0;color:#495057}" +
  "@media(prefers-color-scheme:dark){body{background:#141517;color:#e9ecef}p{color:#adb5bd}}";

function page(title: string, text: string, head = ""): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>${head}<style>${STYLE}</style></head><body><main><h1>${title}</h1><p>${text}</p></main></body></html>\n`;
}

const away = page(
  "The platform is away for a moment",
  "Apps go on running. This page tries again by itself.",
  '<meta http-equiv="refresh" content="2">',
);

/** One page for both states of a backend without endpoints; it shows the paragraph of its state. */
function nothingReady(): string {
  const style = `${STYLE}.deploying .empty,.ready .deploy,.empty .deploy{display:none}`;
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="2"><title>Not ready</title><style>${style}</style></head><body class="@STATE@"><main class="deploy"><h1>Deploying</h1><p>The first instances are being started. This page tries again by itself.</p></main><main class="empty"><h1>No instance is ready</h1><p>The app exists, but nothing of it can answer now. Its team sees why: plim describe &lt;app&gt;</p></main></body></html>\n`;
  return html.replaceAll("%", "%%").replace("@STATE@", "%[var(txn.state)]");
}

/** The API's answer while it is away: problem details (RFC 9457), as it answers itself. */
const apiAway = `${JSON.stringify({
  type: "about:blank",
  title: "Service Unavailable",
  status: 503,
  code: "unavailable",
  detail: "The platform's API is away for a moment: it starts or was stopped. Try again in some seconds; apps go on running.",
})}\n`;

/** A whole answer, as HAProxy's errorfile wants it. Also for 502 and 504: to the client they are the same. */
function answer(contentType: string, body: string): string {
  const head = ["HTTP/1.1 503 Service Unavailable", `Content-Type: ${contentType}`, "Cache-Control: no-store", "Retry-After: 2"];
  return [...head, `Content-Length: ${Buffer.byteLength(body)}`, "", body].join("\r\n");
}

/** File name → content, for the ingress's pages directory. `.http` files are whole answers (HAProxy's errorfile). */
export const PAGES: Readonly<Record<string, string>> = {
  "unknown-host.html": page("Nothing lives at this address", "Check the name, or see which routes your app has: plim describe &lt;app&gt;"),
  // A log-format string to HAProxy: the one variable is the backend's state, and every other percent sign is doubled.
  "nothing-ready.html": nothingReady(),
  "no-answer.html": page(
    "The app does not answer",
    "It runs, but broke the connection off or took too long. Its log tells more: plim logs &lt;app&gt;",
  ),
  "platform-away.http": answer("text/html; charset=utf-8", away),
  "api-away.http": answer("application/problem+json", apiAway),
};
