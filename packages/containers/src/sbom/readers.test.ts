import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type Allowance, bufferBytes, OutOfAllowance } from "./bytes.ts";
import { openElf } from "./elf.ts";
import { fileKind } from "./file-kinds.ts";
import { readGoProgram } from "./go-program.ts";
import { readJar } from "./jar.ts";
import { readCargoList, readComposerInstalled, readGemspec, readPackageJson, readPythonMetadata } from "./language-files.ts";
import { readApkInstalled, readDpkgStatus, readOsRelease } from "./os-databases.ts";
import { packageUrl } from "./purl.ts";
import { elfOf, goInline, goPointers, zipOf } from "./test-files.ts";

const FREE: Allowance = { spend: () => undefined };

describe("fileKind", () => {
  it("knows what tells of packages by where it lies", () => {
    const kinds = {
      "var/lib/dpkg/status": "dpkg",
      "var/lib/dpkg/status.d/base-files": "dpkg",
      "var/lib/dpkg/status.d/base-files.md5sums": undefined,
      "srv/var/lib/dpkg/status": undefined,
      "lib/apk/db/installed": "apk",
      "usr/lib/os-release": "os-release",
      "var/lib/rpm/rpmdb.sqlite": "rpm",
      "app/node_modules/left-pad/package.json": "npm",
      "app/node_modules/@babel/core/package.json": "npm",
      "app/node_modules/.pnpm/a@1.0.0/node_modules/a/package.json": "npm",
      "app/node_modules/a/dist/esm/package.json": undefined,
      "app/package.json": undefined,
      "usr/lib/python3/dist-packages/six-1.16.0.egg-info": "python",
      "usr/lib/python3/dist-packages/x.egg-info/PKG-INFO": "python",
      "venv/lib/python3.12/site-packages/flask-3.0.0.dist-info/METADATA": "python",
      "usr/local/bundle/specifications/rake-13.0.6.gemspec": "gem",
      "usr/lib/ruby/gems/3.1.0/specifications/default/json-2.6.1.gemspec": "gem",
      "app/rake.gemspec": undefined,
      "app/vendor/composer/installed.json": "composer",
      "app/app.JAR": "jar",
    };
    for (const [path, kind] of Object.entries(kinds)) expect(fileKind(path), path).toBe(kind);
  });
});

describe("readers of databases", () => {
  it("reads dpkg's, without what was removed", () => {
    const text = [
      "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9+deb12u9\nDescription: GNU C Library\n Version: none\n .\n more",
      "Package: old\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1",
      "Package: never\nStatus: unknown ok not-installed",
      "Package: half\nStatus: install ok half-configured\nArchitecture: all\nVersion: 1:2.0~rc1",
      // status.d has no status.
      "Package: tzdata\nVersion: 2024a\nArchitecture: all",
      "Version: 1\n\n\nno field at all",
    ].join("\n\n");
    expect(readDpkgStatus(text)).toEqual([
      { type: "deb", name: "libc6", version: "2.36-9+deb12u9", arch: "amd64" },
      { type: "deb", name: "half", version: "1:2.0~rc1", arch: "all" },
      { type: "deb", name: "tzdata", version: "2024a", arch: "all" },
    ]);
  });

  it("reads apk's, whose small letters are other fields", () => {
    const text =
      "C:Q1abc=\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\np:so:libc.musl\nF:lib\n\nP:busybox\nV:1.36.1-r29\nA:x86_64\nL:GPL-2.0-only\n";
    expect(readApkInstalled(text)).toEqual([
      { type: "apk", name: "musl", version: "1.2.5-r0", arch: "x86_64", license: "MIT" },
      { type: "apk", name: "busybox", version: "1.36.1-r29", arch: "x86_64", license: "GPL-2.0-only" },
    ]);
  });

  it("reads os-release with its quotes", () => {
    expect(readOsRelease(`PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID='12'\n`)).toEqual({
      id: "debian",
      versionId: "12",
      prettyName: "Debian GNU/Linux 12 (bookworm)",
    });
  });
});

describe("readers of languages", () => {
  it("reads package.json with licences as they were written over the years", () => {
    const read = (value: unknown) => readPackageJson(JSON.stringify(value));
    expect(read({ name: "@a/b", version: "1.0.0", license: "MIT" })).toEqual([
      { type: "npm", name: "@a/b", version: "1.0.0", license: "MIT" },
    ]);
    expect(read({ name: "b", version: "1", licenses: [{ type: "MIT" }, { type: "Apache-2.0" }] })[0]?.license).toBe("MIT OR Apache-2.0");
    expect(read({ type: "module" })).toEqual([]);
    expect(read({ name: ["x"], version: 1 })).toEqual([]);
    expect(read([])).toEqual([]);
    expect(() => readPackageJson("{")).toThrow(SyntaxError);
  });

  it("reads Python's metadata up to the description", () => {
    const text =
      "Metadata-Version: 2.1\nName: Flask_Login\nVersion: 0.6.3\nLicense: MIT\nClassifier: License :: OSI Approved :: MIT License\n\nName: other\n";
    expect(readPythonMetadata(text)).toEqual([{ type: "pypi", name: "Flask_Login", version: "0.6.3", license: "MIT" }]);
    expect(
      readPythonMetadata("Name: a\nVersion: 1\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\n")[0]?.license,
    ).toBe("BSD License");
  });

  it("reads gemspecs, composer's list and cargo-auditable's", () => {
    const gem = `Gem::Specification.new do |s|\n  s.name = "rake".freeze\n  s.version = "13.0.6"\n  s.licenses = ["MIT".freeze]\n  s.add_dependency(%q<x>, ["> 1"])\nend\n`;
    expect(readGemspec(gem)).toEqual([{ type: "gem", name: "rake", version: "13.0.6", license: "MIT" }]);
    const one = { name: "monolog/monolog", version: "3.5.0", license: ["MIT"] };
    for (const whole of [{ packages: [one] }, [one]])
      expect(readComposerInstalled(JSON.stringify(whole))).toEqual([
        { type: "composer", name: "monolog/monolog", version: "3.5.0", license: "MIT" },
      ]);
    const cargo = {
      packages: [
        { name: "serde", version: "1.0.1", source: "crates.io" },
        { name: "cc", version: "1.0.0", kind: "build" },
      ],
    };
    expect(readCargoList(JSON.stringify(cargo))).toEqual([{ type: "cargo", name: "serde", version: "1.0.1" }]);
  });

  it("reads Go's build information in both forms", () => {
    const modules =
      "path\texample.org/shop\nmod\texample.org/shop\t(devel)\t\ndep\tgithub.com/a/b\tv1.2.3\th1:x=\ndep\tgithub.com/c/d\tv1.0.0\n=>\tgithub.com/e/f\tv2.0.0\th1:y=\n";
    const expected = [
      { type: "golang", name: "stdlib", version: "1.22.1" },
      { type: "golang", name: "example.org/shop", version: "" },
      { type: "golang", name: "github.com/a/b", version: "v1.2.3" },
      { type: "golang", name: "github.com/e/f", version: "v2.0.0" },
    ];
    for (const program of [
      goInline("go1.22.1", modules),
      goPointers("go1.22.1", modules),
      goInline("go1.22.1", modules, { section: false }),
    ]) {
      const elf = openElf(bufferBytes(program));
      expect(elf === undefined ? undefined : readGoProgram(elf)).toEqual(expected);
    }
    const other = openElf(bufferBytes(elfOf([{ name: ".text", content: Buffer.alloc(64) }])));
    expect(other === undefined ? undefined : readGoProgram(other)).toEqual([]);
  });

  it("reads archives of Java and those inside them, stored or packed", () => {
    const pom = (version: string) => Buffer.from(`#Generated\r\ngroupId=org.example\r\nartifactId=lib\r\nversion=${version}\r\n`);
    const lib = (version: string) => zipOf([{ name: "META-INF/maven/org.example/lib/pom.properties", content: pom(version) }]);
    const manifest = Buffer.from(
      "Manifest-Version: 1.0\r\nImplementation-Title: plain\r\nImplementation-Version: 2.\r\n 5\r\n\r\nName: x\r\n",
    );
    const app = zipOf([
      { name: "META-INF/MANIFEST.MF", content: Buffer.from("Manifest-Version: 1.0\n") },
      { name: "BOOT-INF/lib/lib-1.jar", content: lib("1"), stored: true },
      { name: "BOOT-INF/lib/lib-2.jar", content: lib("2") },
      { name: "BOOT-INF/lib/plain.jar", content: zipOf([{ name: "META-INF/MANIFEST.MF", content: manifest }]) },
      { name: "BOOT-INF/lib/commons-text-1.9.jar", content: zipOf([]) },
      { name: "BOOT-INF/lib/bad.jar", content: Buffer.from("no archive") },
    ]);
    const bad: string[] = [];
    const found = readJar(bufferBytes(Buffer.concat([Buffer.from("#!/bin/sh\n"), app])), "shop.jar", {
      allowance: FREE,
      onBad: (inner) => bad.push(inner),
    });
    expect(found).toEqual([
      { type: "maven", group: "org.example", name: "lib", version: "1", inside: "BOOT-INF/lib/lib-1.jar" },
      { type: "maven", group: "org.example", name: "lib", version: "2", inside: "BOOT-INF/lib/lib-2.jar" },
      { type: "maven", name: "plain", version: "2.5", inside: "BOOT-INF/lib/plain.jar" },
      { type: "maven", name: "commons-text", version: "1.9", inside: "BOOT-INF/lib/commons-text-1.9.jar" },
    ]);
    expect(bad).toEqual(["BOOT-INF/lib/bad.jar"]);
  });

  it("unpacks no more than it may", () => {
    const bomb = deflateRawSync(Buffer.alloc(80 * 1024 ** 2));
    const jar = zipOf([{ name: "inner.jar", content: Buffer.alloc(0), packed: bomb }]);
    const bad: string[] = [];
    expect(readJar(bufferBytes(jar), "a.jar", { allowance: FREE, onBad: (inner, why) => bad.push(`${inner} ${why}`) })).toEqual([]);
    expect(bad).toEqual(["inner.jar holds more than is unpacked, or is torn"]);
    // Many small ones together: the layer's allowance ends it.
    let left = 10 * 1024 ** 2;
    const allowance: Allowance = {
      spend: (what, amount) => {
        if (what !== "inflated") return;
        left -= amount;
        if (left < 0) throw new OutOfAllowance("enough");
      },
    };
    const packed = deflateRawSync(Buffer.alloc(1024 ** 2));
    const many = zipOf(Array.from({ length: 20 }, (_, at) => ({ name: `${at}.jar`, content: Buffer.alloc(0), packed })));
    expect(() => readJar(bufferBytes(many), "a.jar", { allowance, onBad: () => undefined })).toThrow(OutOfAllowance);
    // An archive whose entries are all the archive itself does not go on for ever.
    expect(() => readJar(bufferBytes(many), "a.jar", { allowance: countdown(15), onBad: () => undefined })).toThrow(OutOfAllowance);
  });
});

function countdown(entries: number): Allowance {
  let left = entries;
  return {
    spend: (what, amount) => {
      if (what === "entries") left -= amount;
      if (left < 0) throw new OutOfAllowance("enough");
    },
  };
}

describe("packageUrl", () => {
  const debian = { id: "debian", versionId: "12", prettyName: "" };
  it("is what the specification's own examples are", () => {
    const url = (found: Parameters<typeof packageUrl>[0], os?: typeof debian) => packageUrl(found, os);
    expect(url({ type: "deb", name: "attr", version: "1:2.4.47-2+b1", arch: "amd64" })).toBe(
      "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64",
    );
    expect(url({ type: "deb", name: "curl", version: "7.50.3-1", arch: "i386" }, debian)).toBe(
      "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=debian-12",
    );
    expect(url({ type: "npm", name: "@angular/animation", version: "12.3.1" })).toBe("pkg:npm/%40angular/animation@12.3.1");
    expect(url({ type: "pypi", name: "Django_Allauth", version: "12.23" })).toBe("pkg:pypi/django-allauth@12.23");
    expect(url({ type: "golang", name: "github.com/Gorilla/Context", version: "v1" })).toBe("pkg:golang/github.com/gorilla/context@v1");
    expect(url({ type: "golang", name: "example.org/x", version: "" })).toBe("pkg:golang/example.org/x");
    expect(url({ type: "maven", group: "org.apache.xmlgraphics", name: "batik-anim", version: "1.9.1" })).toBe(
      "pkg:maven/org.apache.xmlgraphics/batik-anim@1.9.1",
    );
    expect(url({ type: "maven", name: "nameless", version: "1" })).toBeUndefined();
    expect(url({ type: "gem", name: "ruby-advisory-db-check", version: "0.12.4" })).toBe("pkg:gem/ruby-advisory-db-check@0.12.4");
    expect(url({ type: "composer", name: "Laravel/Laravel", version: "5.5.0" })).toBe("pkg:composer/laravel/laravel@5.5.0");
    expect(url({ type: "cargo", name: "structopt", version: "0.3.11" })).toBe("pkg:cargo/structopt@0.3.11");
    expect(url({ type: "apk", name: "curl", version: "7.83.0-r0", arch: "x86" })).toBe("pkg:apk/alpine/curl@7.83.0-r0?arch=x86");
  });
});
