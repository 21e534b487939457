export { type Detection, detect } from "./detect.ts";
export type { ProjectFiles } from "./files.ts";
export type { DetectedRecipe } from "./recipe.ts";
