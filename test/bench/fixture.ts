import { randomBytes } from "node:crypto";
import type { Files, PushResult } from "../support/app.ts";

/** The base of everything that benchmarks build. */
export const BASE = "node:22";
/** The one that a push changes by one line. */
const CHANGED_FILE = "version.txt";

/** A Node HTTP server that answers with its version; COPY and one RUN, that touches a file, run again when the version changes. */
export function fixture(version: string): Files {
  return {
    Dockerfile: [
      `FROM ${BASE}`,
      "WORKDIR /app",
      `COPY server.mjs ${CHANGED_FILE} ./`,
      "RUN touch built",
      'CMD ["node", "server.mjs"]',
      "",
    ].join("\n"),
    "server.mjs": SERVER,
    ...edit(version),
  };
}

/** Three stages that need nothing of each other, each with a step that computes and one that writes many files. */
export function stagesFixture(): Files {
  const stage = (name: string) => [
    `FROM ${BASE} AS ${name}`,
    `RUN node -e 'let h = "${name}"; for (let i = 0; i < 150000; i++) h = require("crypto").hash("sha256", h); console.log(h)'`,
    `RUN mkdir /${name} && for i in $(seq 300); do echo ${name} $i > /${name}/$i; done`,
  ];
  const names = ["one", "two", "three"];
  return {
    Dockerfile: [...names.flatMap(stage), `FROM ${BASE}`, ...names.map((name) => `COPY --from=${name} /${name} /${name}`), ""].join("\n"),
  };
}

/** 20,000 files of 25 kB each in 200 directories, that nothing can compress; a hundredth of it to see that it works. */
export function contextFixture(small: boolean): Files {
  const directories = small ? 2 : 200;
  const files: Record<string, string> = { Dockerfile: `FROM ${BASE}\nCOPY . /context\n`, ...edit("first") };
  for (let directory = 0; directory < directories; directory++)
    for (let file = 0; file < 100; file++) files[`d${directory}/f${file}`] = randomBytes(18_750).toString("base64");
  return files;
}

/** The one-line change. */
export function edit(version: string): Files {
  return { [CHANGED_FILE]: `${version}\n` };
}

/** Throws what the pusher saw unless the push was taken. */
export function taken({ code, text }: PushResult): void {
  if (code !== 0) throw new Error(`the push was refused:\n${text}`);
}

const SERVER = `import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const version = readFileSync(new URL("${CHANGED_FILE}", import.meta.url), "utf8");
const server = createServer((_, response) => response.end(version));
server.listen(Number(process.env.PORT ?? 8080));
process.once("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
`;
