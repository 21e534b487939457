import { AppError, type Healthcheck, type HistoryEntry, type ImageConfig } from "@plimsoll/core";
import { z } from "zod";

/** OCI image spec, config.md, and what Docker adds to it (Shell, OnBuild, Healthcheck); the fields that we honour. */
export const OciConfig = z.object({
  architecture: z.string(),
  os: z.string(),
  author: z.string().nullish(),
  history: z.array(z.object({ created_by: z.string().nullish(), empty_layer: z.boolean().nullish() })).nullish(),
  config: z
    .object({
      Env: z.array(z.string()).nullish(),
      Entrypoint: z.array(z.string()).nullish(),
      Cmd: z.array(z.string()).nullish(),
      User: z.string().nullish(),
      WorkingDir: z.string().nullish(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
      StopSignal: z.string().nullish(),
      Volumes: z.record(z.string(), z.unknown()).nullish(),
      Shell: z.array(z.string()).nullish(),
      OnBuild: z.array(z.string()).nullish(),
      Healthcheck: z
        .object({
          Test: z.array(z.string()).nullish(),
          Interval: z.number().nullish(),
          Timeout: z.number().nullish(),
          StartPeriod: z.number().nullish(),
          StartInterval: z.number().nullish(),
          Retries: z.int().nullish(),
        })
        .nullish(),
    })
    .nullish(),
});

const HISTORY_TEXT = 1_000;

/** Pure. A history that does not fit the number of layers is none. Throws AppError `unsupported` for another architecture. */
export function toImageConfig({ architecture, author, config, history }: z.infer<typeof OciConfig>, layers: number): ImageConfig {
  if (architecture !== "amd64" && architecture !== "arm64")
    throw new AppError("unsupported", `The image is for ${architecture}; hosts run amd64 and arm64 images.`);
  return {
    architecture,
    os: "linux",
    env: config?.Env ?? [],
    entrypoint: config?.Entrypoint ?? [],
    cmd: config?.Cmd ?? [],
    user: config?.User ?? "",
    workingDir: config?.WorkingDir || "/",
    exposedPorts: Object.keys(config?.ExposedPorts ?? {}),
    labels: config?.Labels ?? {},
    ...(config?.StopSignal ? { stopSignal: config.StopSignal } : {}),
    ...(config?.Volumes ? { volumes: Object.keys(config.Volumes) } : {}),
    ...(config?.Shell ? { shell: config.Shell } : {}),
    ...(config?.OnBuild ? { onBuild: config.OnBuild } : {}),
    ...(config?.Healthcheck?.Test?.length ? { healthcheck: toHealthcheck(config.Healthcheck.Test, config.Healthcheck) } : {}),
    ...(author ? { author } : {}),
    ...toHistory(history, layers),
  };
}

function toHistory(history: z.infer<typeof OciConfig>["history"], layers: number): Pick<ImageConfig, "history"> {
  const entries = (history ?? []).map(({ created_by, empty_layer }): HistoryEntry => {
    return { createdBy: (created_by ?? "").slice(0, HISTORY_TEXT), ...(empty_layer === true ? { emptyLayer: true } : {}) };
  });
  return entries.length > 0 && entries.filter(({ emptyLayer }) => emptyLayer === undefined).length === layers ? { history: entries } : {};
}

type OciHealthcheck = NonNullable<NonNullable<z.infer<typeof OciConfig>["config"]>["Healthcheck"]>;

/** Zero means as much as absent: inherited. */
function toHealthcheck(test: readonly string[], { Interval, Timeout, StartPeriod, StartInterval, Retries }: OciHealthcheck): Healthcheck {
  return {
    test,
    ...(Interval ? { intervalNs: Interval } : {}),
    ...(Timeout ? { timeoutNs: Timeout } : {}),
    ...(StartPeriod ? { startPeriodNs: StartPeriod } : {}),
    ...(StartInterval ? { startIntervalNs: StartInterval } : {}),
    ...(Retries ? { retries: Retries } : {}),
  };
}
