import { run, words } from "./recipe.ts";

/** vercel/serve: small, and listens on PORT by itself. */
const STATIC_SERVER = "serve@14.2.7";

export interface ServeStage {
  readonly nodeMajor: number;
  /** The instruction that brings the files into the working directory. */
  readonly copy: string;
  /** Paths that name no file are answered with index.html: the page's own router knows them. */
  readonly isOnePage: boolean;
}

/** The last stage of what is only files. */
export function serveStage({ nodeMajor, copy, isOnePage }: ServeStage): readonly string[] {
  const flags = ["--no-clipboard", "--no-port-switching", ...(isOnePage ? ["--single"] : [])];
  return [
    `FROM node:${nodeMajor}-slim`,
    run(`npm install --global ${STATIC_SERVER}`, "/root/.npm"),
    "WORKDIR /site",
    copy,
    "USER node",
    `CMD ${words("serve", ...flags)}`,
  ];
}
