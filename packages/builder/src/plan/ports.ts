import { problemAt, type SourceLocation } from "../problem.ts";

/**
 * `8080`, `8000-8010/udp` → `8080/tcp`, …. A host's address and port in front (`127.0.0.1:80:8080`) are read as Docker does and mean
 * nothing: what is exposed where is the app's matter.
 */
export function readPorts(text: string, at: SourceLocation): readonly string[] {
  const match = /^(?:(?:(?:\[[0-9a-f:]+\]|[0-9a-f:.]*):)?(?:\d{1,5}(?:-\d{1,5})?)?:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp)?)?$/i.exec(
    text,
  );
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first > 65_535 || last > 65_535 || last < first) {
    throw problemAt(
      at,
      "dockerfile",
      `"${text.slice(0, 60)}" is no port; write a number up to 65535, a range or a protocol, as in 8080, 8000-8010 or 53/udp.`,
    );
  }
  const protocol = (match[3] ?? "tcp").toLowerCase();
  return Array.from({ length: last - first + 1 }, (_, offset) => `${first + offset}/${protocol}`);
}
