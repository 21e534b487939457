import type { ProjectFiles } from "../files.ts";
import { PORT, run, words } from "../recipe.ts";
import { isClass, type JavaBuild, type JavaFinding, launch, onlyJar } from "./launch.ts";
import { javaVersion } from "./version.ts";

/** Larger ones nobody writes by hand. */
const MAX_POM = 512 * 1024;

/** What pom.xml makes: a jar with all in it (Spring Boot, Quarkus, Shade), or one beside its dependencies. */
export async function maven(files: ProjectFiles, names: readonly string[]): Promise<JavaFinding | undefined> {
  const text = await files.read("pom.xml");
  if (text === undefined) return undefined;
  const pom = without(text.slice(0, MAX_POM), "<!--", "-->");
  const what = "a Java program";
  if (/<packaging>\s*pom\s*<\/packaging>/.test(pom))
    return { what, missing: "pom.xml is that of several modules, and which of them it is cannot be told: plim init --directory names one" };
  const isBoot = pom.includes("spring-boot-maven-plugin");
  if (/<packaging>\s*war\s*<\/packaging>/.test(pom) && !isBoot)
    return { what, missing: "pom.xml makes a war, which needs a server of its own" };
  const property = (name: string) => new RegExp(`<${name.replaceAll(".", "\\.")}>\\s*([\\w.$-]{1,200})\\s*</`).exec(pom)?.[1];
  const asked = ["java.version", "maven.compiler.release", "release", "maven.compiler.target", "maven.compiler.source"];
  const found = asked.map((name) => [name, property(name)] as const).find(([, value]) => value !== undefined && /^\d/.test(value));
  const version = await javaVersion(files, found?.[1], `pom.xml's ${found?.[0]}`);
  const hasWrapper = names.includes("mvnw") && (await files.list(".mvn/wrapper")).includes("maven-wrapper.properties");
  // The wrapper may be committed without the right to be run.
  const mvn = hasWrapper ? "sh mvnw" : "mvn";
  const build: Omit<JavaBuild, "what" | "because" | "make" | "copies" | "cmd"> = {
    image: hasWrapper ? `eclipse-temurin:${version.version}-jdk` : `maven:3-eclipse-temurin-${version.version}`,
    version,
    tool: hasWrapper ? "mvnw brings Maven" : "pom.xml is Maven's",
  };
  const packaged = `${mvn} --batch-mode package -DskipTests`;
  const make = (command: string) => [run(command, "/root/.m2")];
  const oneJar = (kind: string, because: string, cmd: string): JavaBuild => ({
    ...build,
    what: kind,
    because,
    make: make(`${packaged} && ${onlyJar("target")}`),
    copies: ["COPY --from=build /out/app.jar ./"],
    cmd,
  });
  if (isBoot) return oneJar("a Spring Boot app", "pom.xml has spring-boot-maven-plugin", launch(`-Dserver.port=${PORT} -jar app.jar`));
  if (pom.includes("quarkus-maven-plugin"))
    return {
      ...build,
      what: "a Quarkus app",
      because: "pom.xml has quarkus-maven-plugin",
      make: make(`${packaged} && mkdir /out && cp -r target/quarkus-app/. /out`),
      copies: ["COPY --from=build /out ./"],
      cmd: launch(`-Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=${PORT} -jar quarkus-run.jar`),
    };
  if (/maven-(?:shade|assembly)-plugin/.test(pom) && /<mainClass>/.test(pom))
    return oneJar(what, "pom.xml packs all into one jar", words("java", "-XX:MaxRAMPercentage=75", "-jar", "app.jar"));
  const main = property("mainClass") ?? property("exec.mainClass");
  if (main === undefined || !isClass(main)) return { what, missing: "pom.xml has neither spring-boot-maven-plugin nor a mainClass" };
  const hasDependencies = without(pom, "<dependencyManagement>", "</dependencyManagement>").includes("<dependency>");
  const libraries = ` && ${mvn} --batch-mode dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=/out/lib`;
  return {
    ...build,
    what,
    because: `pom.xml's mainClass is ${main.slice(0, 100)}`,
    make: make(`${packaged} && ${onlyJar("target")}${hasDependencies ? `${libraries} && mkdir -p /out/lib` : " && mkdir -p /out/lib"}`),
    copies: ["COPY --from=build /out ./"],
    cmd: words("java", "-XX:MaxRAMPercentage=75", "-cp", "app.jar:lib/*", main),
  };
}

/** A text without all that is between two words, the words too. Looks at each place once: it may be made to be slow. */
function without(text: string, from: string, to: string): string {
  const parts: string[] = [];
  let at = 0;
  for (;;) {
    const start = text.indexOf(from, at);
    const end = start < 0 ? -1 : text.indexOf(to, start + from.length);
    if (end < 0) return [...parts, text.slice(at)].join("");
    parts.push(text.slice(at, start));
    at = end + to.length;
  }
}
