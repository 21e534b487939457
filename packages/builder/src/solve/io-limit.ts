import { blockDeviceOf, type HostLayout, type IoLimit } from "@plimsoll/host";

/** What of the disk below the layers a build may use each second: nothing where none is asked for, or that disk cannot be limited. */
export function ioLimit({
  ioBytesPerSecond,
  layout,
}: {
  readonly ioBytesPerSecond?: number;
  readonly layout: Pick<HostLayout, "layersDir">;
}): { readonly io?: IoLimit } {
  const device = ioBytesPerSecond === undefined ? undefined : blockDeviceOf(layout.layersDir);
  return ioBytesPerSecond === undefined || device === undefined ? {} : { io: { device, bytesPerSecond: ioBytesPerSecond } };
}
