import type { ProjectFiles } from "./files.ts";
import { dockerfile, dockerignore, type Finding, run, words } from "./recipe.ts";

/** Directories that programs read while they run. */
const DATA = ["assets/", "migrations/", "public/", "static/", "templates/", "views/", "web/"];

/** A directory that can be named on a command line as it is. */
const IS_PROGRAM = /^[\w.][\w.-]*\/$/;

/** A module with one program: at its top, or in cmd/. */
export async function detectGo(files: ProjectFiles): Promise<Finding | undefined> {
  const module = await files.read("go.mod");
  if (module === undefined) return undefined;
  const names = await files.list("");
  const what = "a Go program";
  const version = /^go\s+(1\.\d+)/m.exec(module)?.[1] ?? "1.22";
  const programs = (await files.list("cmd")).filter((name) => IS_PROGRAM.test(name)).map((name) => name.slice(0, -1));
  const path = /^module[ \t]+(\S{1,300})[ \t\r]*$/m.exec(module)?.[1] ?? "app";
  const own = path
    .replace(/\/v\d+$/, "")
    .split("/")
    .at(-1);
  const isAtTop = await hasMain(files, "", names);
  const command = programs.length === 1 ? programs[0] : programs.find((name) => name === own || name === "server" || name === "web");
  if (!isAtTop && command === undefined) {
    const missing =
      programs.length > 1 ? `which of cmd/${programs.join(", cmd/")} it is` : "there is no package main at its top, and none in cmd/";
    return { kind: "unclear", what, missing };
  }
  const lists = ["go.mod", ...(names.includes("go.sum") ? ["go.sum"] : [])];
  const isVendored = names.includes("vendor/");
  const caches = ["/go/pkg/mod", "/root/.cache/go-build"];
  const data = DATA.filter((name) => names.includes(name)).map((name) => `COPY ${name} ./${name}`);
  const text = dockerfile(
    [
      `FROM golang:${version} AS build`,
      "WORKDIR /src",
      ...(isVendored ? [] : [`COPY ${lists.join(" ")} ./`, run("go mod download", "/go/pkg/mod")]),
      "COPY . .",
      run(`CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/app ${isAtTop ? "." : `./cmd/${command}`}`, ...caches),
    ],
    [
      "FROM debian:bookworm-slim",
      "WORKDIR /app",
      "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
      "COPY --from=build /out/app /usr/local/bin/app",
      ...data,
      "USER 10001:10001",
      `CMD ${words("app")}`,
    ],
  );
  const because = [
    `go.mod asks for Go ${version}`,
    isAtTop ? "package main is at its top" : `its program is cmd/${command}`,
    ...(isVendored ? ["its modules are in vendor/"] : []),
  ];
  return { kind: "recipe", recipe: { what, because, dockerfile: text, dockerignore: dockerignore() } };
}

async function hasMain(files: ProjectFiles, directory: string, names: readonly string[]): Promise<boolean> {
  for (const name of names.filter((one) => one.endsWith(".go") && !one.endsWith("_test.go")).slice(0, 50))
    if (/^package main\b/m.test((await files.read(`${directory}${name}`)) ?? "")) return true;
  return false;
}
