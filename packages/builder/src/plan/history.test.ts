import { describe, expect, it } from "vitest";
import { settleHistory } from "./history.ts";

const layer = (createdBy: string) => ({ createdBy });
const empty = (createdBy: string) => ({ createdBy, emptyLayer: true as const });

describe("settleHistory", () => {
  it("leaves the base's as it is, and takes the layer from steps that made none", () => {
    const history = [layer("base"), empty("CMD base"), empty("ENV a=1"), layer("RUN true"), layer("COPY a b"), empty("CMD x")];
    expect(settleHistory(history, [false, true], { count: 2, from: "FROM base" })).toEqual([
      layer("base"),
      empty("CMD base"),
      empty("ENV a=1"),
      empty("RUN true"),
      layer("COPY a b"),
      empty("CMD x"),
    ]);
  });

  it("has a line for each layer of a base that tells nothing", () => {
    expect(settleHistory([layer("RUN a")], [true], { count: 3, from: "FROM node:22" })).toEqual([
      layer("FROM node:22"),
      layer("FROM node:22"),
      layer("RUN a"),
    ]);
    const long = [...Array.from({ length: 600 }, () => empty("ENV a=1")), layer("RUN a")];
    expect(settleHistory(long, [true], { count: 1, from: "FROM scratch" })).toEqual([layer("RUN a")]);
    expect(settleHistory([], [], { count: 0, from: "FROM scratch" })).toEqual([]);
  });
});
