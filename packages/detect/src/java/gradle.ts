import type { ProjectFiles } from "../files.ts";
import { firstOf } from "../files.ts";
import { PORT, run, words } from "../recipe.ts";
import { isClass, type JavaBuild, type JavaFinding, launch, onlyJar } from "./launch.ts";
import { javaVersion } from "./version.ts";

const MAX_SCRIPT = 512 * 1024;

/** What build.gradle makes, by the plugins that it names: Spring Boot's jar, or a program of the application plugin. */
export async function gradle(files: ProjectFiles, names: readonly string[]): Promise<JavaFinding | undefined> {
  const file = firstOf(names, ["build.gradle", "build.gradle.kts"]);
  if (file === undefined) return undefined;
  const script = ((await files.read(file)) ?? "").slice(0, MAX_SCRIPT);
  const isKotlin = /kotlin\(|org\.jetbrains\.kotlin/.test(script);
  const what = isKotlin ? "a Kotlin program" : "a Java program";
  const asked =
    /JavaLanguageVersion\.of\(\s*["']?(\d{1,2})/.exec(script)?.[1] ??
    /jvmToolchain\(\s*(\d{1,2})/.exec(script)?.[1] ??
    /(?:source|target)Compatibility[ \t]{0,20}=?[ \t]{0,20}(?:JavaVersion\.VERSION_)?["']?([\d._]{1,5})/
      .exec(script)?.[1]
      ?.replace("_", ".");
  const version = await javaVersion(files, asked, file);
  const hasWrapper = names.includes("gradlew") && (await files.list("gradle/wrapper")).includes("gradle-wrapper.properties");
  const tool = hasWrapper ? "sh gradlew" : "gradle";
  const make = (tasks: string, then: string) => [run(`${tool} --no-daemon ${tasks} && ${then}`, "/root/.gradle")];
  const build: Omit<JavaBuild, "what" | "because" | "make" | "copies" | "cmd"> = {
    image: hasWrapper ? `eclipse-temurin:${version.version}-jdk` : `gradle:8-jdk${version.version}`,
    version,
    tool: hasWrapper ? "gradlew brings Gradle" : `${file} is Gradle's`,
  };
  if (script.includes("org.springframework.boot"))
    return {
      ...build,
      what: "a Spring Boot app",
      because: `${file} has org.springframework.boot`,
      make: make("bootJar", onlyJar("build/libs")),
      copies: ["COPY --from=build /out/app.jar ./"],
      cmd: launch(`-Dserver.port=${PORT} -jar app.jar`),
    };
  const hasApplication =
    /\bid[ (]*["'](?:application|io\.ktor\.plugin)["']|apply plugin:[ ]*["']application["']|^[ \t]*application[ \t]*$/m.test(script);
  const main = /main(?:Class(?:Name)?)(?:\.set\()?[ =(]*["']([\w.$]{1,200})["']/.exec(script)?.[1];
  if (!hasApplication || main === undefined || !isClass(main))
    return { what, missing: `${file} has neither org.springframework.boot nor the application plugin with a mainClass` };
  return {
    ...build,
    what,
    because: `${file}'s mainClass is ${main.slice(0, 100)}`,
    make: make("installDist", "mkdir -p /out && cp -r build/install/*/lib /out/lib"),
    copies: ["COPY --from=build /out ./"],
    cmd: words("java", "-XX:MaxRAMPercentage=75", "-cp", "lib/*", main),
  };
}
