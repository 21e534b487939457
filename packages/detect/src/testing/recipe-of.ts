import { detect } from "../detect.ts";
import type { DetectedRecipe } from "../recipe.ts";
import { memoryFiles } from "./memory-files.ts";

/** File contents by path. */
export type Files = Readonly<Record<string, string>>;

export async function recipeOf(files: Files): Promise<DetectedRecipe> {
  const detection = await detect(memoryFiles(files));
  if (detection.kind !== "recipe") throw new Error(detection.message);
  return detection.recipe;
}

/** What is said where nothing is written; what was written where something is. */
export async function refusalOf(files: Files): Promise<string> {
  const detection = await detect(memoryFiles(files));
  return detection.kind === "none" ? detection.message : `${detection.recipe.what}\n${detection.recipe.dockerfile}`;
}
