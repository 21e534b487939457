// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are words of Dockerfiles
import { describe, expect, it } from "vitest";
import { plan, problemOf } from "../testing/plan.ts";
import { isRemote, readSource } from "./remote-sources.ts";

const first = (lines: string) => plan(`FROM a\n${lines}`).last.steps[0];
const AT = { file: "Dockerfile", line: 1 };
const SUM = `sha256:${"0a".repeat(32)}`;
const COMMIT = "0a".repeat(20);

describe("COPY", () => {
  it("takes all its flags", () => {
    expect(first("COPY --link --parents=true --exclude=*.md --exclude=!a.md --chmod=u=rwX,go=rX --chown=1 a/./b c /x/")).toEqual(
      expect.objectContaining({
        type: "copy",
        from: { kind: "context" },
        sources: ["a/./b", "c"],
        inline: [],
        destination: "/x/",
        link: true,
        parents: true,
        exclude: ["*.md", "!a.md"],
        chmod: "u=rwX,go=rX",
        chown: "1",
      }),
    );
    expect(first("COPY --link=false a b")).toMatchObject({ link: false, parents: false, exclude: [] });
    expect(first("COPY --chmod= --chown=$NONE a b")).not.toHaveProperty("chmod");
  });

  it("expands heredocs as they stand: quotes stay, escapes count, quoted names keep all", () => {
    const text = 'ENV X=1\nCOPY <<A <<"B" <<-C src /d/\n"$X" \'${X:-y}\' \\$X \\\\ <<x\nA\n$X \\$X\nB\n\ttab $X\nC\n';
    expect(plan(`FROM a\n${text}`).last.steps[0]).toMatchObject({
      sources: ["src"],
      inline: [
        { name: "A", content: "\"1\" '1' $X \\ <<x\n" },
        { name: "B", content: "$X \\$X\n" },
        { name: "C", content: "tab 1\n" },
      ],
      destination: "/d/",
    });
  });

  it("escapes in heredocs with a backslash whatever the file's escape is", () => {
    const { last } = plan("# escape=`\nFROM a\nCOPY <<A /d\n\\$X `$HOME\nA\n");
    expect(last.steps[0]).toMatchObject({ inline: [{ content: "$X `\n" }] });
  });

  it.each([
    ["COPY a <<E\nx\nE", "destination behind the heredoc"],
    ["COPY << E /x\nx\nE", "words of their own"],
    ["COPY <<../E /x\nx\n../E", "cannot be a path"],
    ["COPY <<E /x\n${Y:=1}\nE", "not supported"],
    ["COPY <<E /x\n${Y\nE", "<<'E'"],
  ])("explains %j", (line, advice) => {
    expect(problemOf(`FROM a\n${line}`)).toMatchObject({ line: 2, message: expect.stringContaining(advice) });
  });
});

describe("ADD", () => {
  it("tells paths, URLs and git apart", () => {
    expect(first("ADD a*.tgz https://x.test/y/z%20.txt?q=1 https://x.test/r.git#v1:sub git@x.test:o/r.git /d/")).toMatchObject({
      type: "add",
      sources: [
        { kind: "local", path: "a*.tgz" },
        { kind: "url", url: "https://x.test/y/z%20.txt?q=1", name: "z .txt" },
        { kind: "git", remote: "https://x.test/r.git", ref: "v1", subdir: "sub" },
        { kind: "git", remote: "git@x.test:o/r.git", ref: "", subdir: "" },
      ],
      destination: "/d/",
      keepGitDir: false,
    });
  });

  it("takes all its flags", () => {
    expect(
      first(`ARG S=${SUM}\nADD --checksum=$S --unpack --chown=1:2 --chmod=600 --link --exclude=x https://x.test/a.tgz /a`),
    ).toMatchObject({
      checksum: SUM,
      unpack: true,
      chown: "1:2",
      chmod: 0o600,
      link: true,
      exclude: ["x"],
    });
    expect(first(`ADD --keep-git-dir=true --checksum=${COMMIT} https://x.test/a.git /a`)).toMatchObject({
      keepGitDir: true,
      checksum: COMMIT,
    });
    expect(first("ADD a b")).not.toHaveProperty("unpack");
    expect(first("ADD --unpack=false a b")).toMatchObject({ unpack: false });
    expect(first(`ADD https://x.test/a.git?tag=v1&subdir=/x/../y&keep-git-dir=1&checksum=${COMMIT} /a`)).toMatchObject({
      sources: [{ kind: "git", remote: "https://x.test/a.git", ref: "refs/tags/v1", subdir: "y" }],
      keepGitDir: true,
      checksum: COMMIT,
    });
  });

  it.each([
    ["ADD --checksum=x https://x.test/a /b", "no checksum of this source"],
    [`ADD --checksum=${SUM} a /b`, "files of the repository"],
    [`ADD --checksum=${SUM} https://x.test/a https://x.test/b /b/`, "one ADD for each"],
    [`ADD --checksum=${SUM} https://x.test/a.git /b/`, "commit's id"],
    ["ADD ftp://x.test/a /b", "is not fetched"],
    ["ADD https:// /b", "can be read"],
    ["ADD https://u:p@x.test/a /b", "--mount=type=secret"],
    ["ADD ssh://u:p@x.test/a /b", "image's history"],
    ["ADD https://x.test/ /b/", "names no file"],
    ["ADD https://x.test/a.git#--upload-pack=x /b", "no branch, tag or commit"],
    ["ADD https://x.test/a.git?depth=1 /b", "not known in a git address"],
    ["ADD --keep-git-dir=false https://x.test/a.git?keep-git-dir=true /b", "disagree"],
    ["ADD --parents a /b", "no flag of ADD"],
    ["ADD --from=x a /b", "no flag of ADD"],
  ])("explains %s", (line, advice) => {
    expect(problemOf(`FROM a\n${line}`)).toMatchObject({ line: 2, message: expect.stringContaining(advice) });
  });
});

describe("readSource", () => {
  it.each([
    ["git://x.test/r", "git"],
    ["ssh://git@x.test/r", "git"],
    ["me@x.test:r.git", "git"],
    ["me@x.test:/srv/r.git", "git"],
    ["-oProxyCommand=x@x.test:r.git", "local"],
    ["https://x.test/r.git", "git"],
    ["https://x.test/r.git/info", "url"],
    ["http://x.test/r", "url"],
    ["github.com/o/r.git", "local"],
    ["./git@x:y", "local"],
    ["a:b", "local"],
    ["C:/x", "local"],
  ])("%s is %s", (text, kind) => {
    expect(readSource(text, AT).source.kind).toBe(kind);
    expect(isRemote(text)).toBe(kind !== "local");
  });
});
