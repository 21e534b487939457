import { describe, expect, it } from "vitest";
import { PUBLIC_ROUTES } from "../routes/index.ts";
import { openApiDocument } from "./openapi.ts";

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, unknown>>;
  readonly "x-permission": string;
}

describe("the OpenAPI document", () => {
  const document = openApiDocument(PUBLIC_ROUTES) as { paths: Record<string, Record<string, Operation>>; openapi: string };
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));

  it("describes every public route with its permission, its success and its problems", () => {
    expect(document.openapi).toBe("3.1.0");
    expect(operations).toHaveLength(PUBLIC_ROUTES.length);
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(PUBLIC_ROUTES.length);
    for (const operation of operations) {
      expect(operation["x-permission"]).not.toBe("");
      expect(Object.keys(operation.responses).some((status) => status.startsWith("2"))).toBe(true);
      expect(operation.responses).toHaveProperty("422");
    }
  });

  it("names the fields of bodies, and points to shared schemas", () => {
    const text = JSON.stringify(document);
    expect(text).toContain('"$ref":"#/components/schemas/AppList"');
    expect(JSON.stringify(document.paths["/api/v1/namespaces/{team}/{namespace}/apps/{app}/scale"])).toContain('"replicas"');
  });
});
