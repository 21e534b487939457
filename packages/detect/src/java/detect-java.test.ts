import { describe, expect, it } from "vitest";
import { PORT } from "../recipe.ts";
import { type Files, recipeOf, refusalOf } from "../testing/recipe-of.ts";

const pom = (...parts: readonly string[]): Files => ({ "pom.xml": `<project>${parts.join("")}</project>` });
const BOOT = "<plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin>";
const MAIN = "<mainClass>com.example.App</mainClass>";
const WRAPPER: Files = { mvnw: "", ".mvn/wrapper/maven-wrapper.properties": "" };

describe("a repository for Java's machine", () => {
  it.each<[string, Files, string, readonly string[]]>([
    [
      "Spring Boot by Maven",
      pom("<java.version>17</java.version>", BOOT),
      "a Spring Boot app",
      [
        "FROM maven:3-eclipse-temurin-17 AS build",
        "--mount=type=cache,target=/root/.m2 mvn --batch-mode package -DskipTests",
        "! -name 'original-*.jar'",
        "FROM eclipse-temurin:17-jre",
        `CMD exec java -XX:MaxRAMPercentage=75 -Dserver.port=${PORT} -jar app.jar`,
      ],
    ],
    [
      "Maven by its wrapper",
      { ...pom(BOOT), ...WRAPPER },
      "a Spring Boot app",
      ["FROM eclipse-temurin:21-jdk AS build", "sh mvnw --batch-mode package"],
    ],
    [
      "Quarkus",
      pom("<maven.compiler.release>25</maven.compiler.release><artifactId>quarkus-maven-plugin</artifactId>"),
      "a Quarkus app",
      ["temurin-25", `-Dquarkus.http.host=0.0.0.0 -Dquarkus.http.port=${PORT} -jar quarkus-run.jar`],
    ],
    [
      "a jar beside its dependencies",
      pom("<maven.compiler.source>1.8</maven.compiler.source>", "<dependency></dependency>", MAIN),
      "a Java program",
      ["temurin-8 AS build", "dependency:copy-dependencies -DincludeScope=runtime", '"-cp", "app.jar:lib/*", "com.example.App"]'],
    ],
    ["a jar with all in it", pom("<artifactId>maven-shade-plugin</artifactId>", MAIN), "a Java program", ['"-jar", "app.jar"]']],
    ["what is commented out does not count", pom("<!-- ", BOOT, " -->", MAIN), "a Java program", ['"com.example.App"]']],
    [
      "Spring Boot by Gradle",
      {
        "build.gradle":
          "plugins { id 'org.springframework.boot' version '3.4.0' }\njava { toolchain { languageVersion = JavaLanguageVersion.of(17) } }",
      },
      "a Spring Boot app",
      ["FROM gradle:8-jdk17 AS build", "--mount=type=cache,target=/root/.gradle gradle --no-daemon bootJar"],
    ],
    [
      "the application plugin, in Kotlin, by the wrapper",
      {
        "build.gradle.kts":
          'plugins {\n  kotlin("jvm") version "2.1"\n  application\n}\nkotlin { jvmToolchain(20) }\napplication { mainClass.set("shop.MainKt") }\n',
        gradlew: "",
        "gradle/wrapper/gradle-wrapper.properties": "",
      },
      "a Kotlin program",
      ["FROM eclipse-temurin:21-jdk AS build", "sh gradlew --no-daemon installDist", '"-cp", "lib/*", "shop.MainKt"]'],
    ],
    ["a version of SDKMAN's", { ...pom(BOOT), ".sdkmanrc": "java=11.0.20-tem\n" }, "a Spring Boot app", ["temurin-11"]],
    ["a version of asdf's", { ...pom(BOOT), ".tool-versions": "java temurin-17.0.9+9\n" }, "a Spring Boot app", ["temurin-17"]],
  ])("%s", async (_name, files, what, lines) => {
    const found = await recipeOf(files);
    expect(found.what).toBe(what);
    for (const line of lines) expect(found.dockerfile).toContain(line);
    expect(found.dockerfile).toMatch(/^USER 10001:10001$/m);
  });

  it("says why, and which file asked for which Java", async () => {
    expect((await recipeOf(pom("<java.version>17</java.version>", BOOT))).because).toEqual([
      "pom.xml has spring-boot-maven-plugin",
      "pom.xml is Maven's",
      "pom.xml's java.version asks for Java 17",
    ]);
  });

  it.each<[Files, string]>([
    [pom("<packaging>pom</packaging>"), "that of several modules"],
    [pom("<packaging>war</packaging>"), "makes a war"],
    [pom(), "neither spring-boot-maven-plugin nor a mainClass"],
    [{ "build.gradle": "plugins { id 'java' }" }, "neither org.springframework.boot nor the application plugin"],
    [pom("<mainClass>$(x)</mainClass>"), "nor a mainClass"],
  ])("says what is missing: %j", async (files, message) => {
    expect(await refusalOf(files)).toContain(message);
  });
});
