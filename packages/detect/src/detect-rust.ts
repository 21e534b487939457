import { parse } from "smol-toml";
import type { ProjectFiles } from "./files.ts";
import { dockerfile, dockerignore, type Finding, run, words } from "./recipe.ts";

/** Directories that programs read while they run. */
const DATA = ["assets/", "migrations/", "public/", "static/", "templates/"];
/** Larger ones nobody writes by hand, and parsing them would hold up others. */
const MAX_TOML = 256 * 1024;
const NAME = /^[A-Za-z0-9][\w-]{0,100}$/;

/** A crate with one program: src/main.rs, a [[bin]], or the one that default-run names. */
export async function detectRust(files: ProjectFiles): Promise<Finding | undefined> {
  const text = await files.read("Cargo.toml");
  if (text === undefined) return undefined;
  const what = "a Rust program";
  const manifest = text.length > MAX_TOML ? undefined : readToml(text);
  if (manifest === undefined) return { kind: "unclear", what, missing: "Cargo.toml cannot be read" };
  const crate = tableOf(manifest.package);
  if (crate === undefined)
    return { kind: "unclear", what, missing: "Cargo.toml is that of a workspace, and which of its programs it is cannot be told" };
  const names = await files.list("");
  const bins = await binaries(files, manifest, textOf(crate.name));
  const program = textOf(crate["default-run"]) ?? (bins.length === 1 ? bins[0] : undefined);
  if (program === undefined || !NAME.test(program)) {
    const missing =
      bins.length > 1
        ? `which of ${bins.slice(0, 5).join(", ")} it is: say default-run in Cargo.toml`
        : "there is no src/main.rs, and no [[bin]]";
    return { kind: "unclear", what, missing };
  }
  const channel = await channelOf(files, textOf(crate["rust-version"]));
  const locked = names.includes("Cargo.lock") ? " --locked" : "";
  const data = DATA.filter((name) => names.includes(name)).map((name) => `COPY ${name} ./${name}`);
  const recipe = dockerfile(
    [
      // Of one Debian with the stage below: what is linked here has its C library there.
      `FROM rust:${channel.version}-trixie AS build`,
      "WORKDIR /src",
      "COPY . .",
      run(
        `cargo build --release${locked} --bin ${program} && install -D target/release/${program} /out/app`,
        "/usr/local/cargo/registry",
        "/src/target",
      ),
    ],
    [
      "FROM debian:trixie-slim",
      "WORKDIR /app",
      "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
      "COPY --from=build /out/app /usr/local/bin/app",
      ...data,
      "USER 10001:10001",
      `CMD ${words("app")}`,
    ],
  );
  const because = ["Cargo.toml is there", `its program is ${program}`, ...(channel.because === undefined ? [] : [channel.because])];
  return { kind: "recipe", recipe: { what, because, dockerfile: recipe, dockerignore: dockerignore("target") } };
}

/** Cargo's own rules (Cargo Book, Cargo Targets): src/main.rs has the crate's name, src/bin has more, [[bin]] says so. */
async function binaries(files: ProjectFiles, manifest: Readonly<Record<string, unknown>>, crate: string | undefined): Promise<string[]> {
  const said = Array.isArray(manifest.bin) ? manifest.bin.flatMap((one) => textOf(tableOf(one)?.name) ?? []) : [];
  const main = (await files.read("src/main.rs")) !== undefined && crate !== undefined ? [crate] : [];
  const more = (await files.list("src/bin")).map((name) => name.replace(/\/$|\.rs$/, ""));
  const hasOwnMain = said.length > 0 && Array.isArray(manifest.bin) && manifest.bin.some((one) => tableOf(one)?.path === "src/main.rs");
  return [...new Set([...said, ...(hasOwnMain ? [] : main), ...more])];
}

async function channelOf(files: ProjectFiles, atLeast: string | undefined): Promise<{ version: string; because?: string }> {
  for (const file of ["rust-toolchain.toml", "rust-toolchain"]) {
    const version = /^(?:\s*channel\s*=\s*")?(1\.\d{1,3})(?:\.\d+)?"?\s*$/m.exec(((await files.read(file)) ?? "").slice(0, 4096))?.[1];
    if (version !== undefined) return { version, because: `${file} asks for Rust ${version}` };
  }
  return { version: "1", ...(atLeast === undefined ? {} : { because: `Cargo.toml wants Rust ${atLeast.slice(0, 20)} or newer` }) };
}

function readToml(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return parse(text);
  } catch {
    return undefined;
  }
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
