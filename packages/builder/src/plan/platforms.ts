const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  "x86-64": "amd64",
  aarch64: "arm64",
  i386: "386",
  armhf: "arm/v7",
  armel: "arm/v6",
};

/** True when the platform's text names this host's: `linux/amd64`, `x86_64`, `linux`, `linux/arm64/v8` (containerd's normal forms). */
export function isHostPlatform(text: string, architecture: "amd64" | "arm64"): boolean {
  const parts = text.toLowerCase().split("/");
  const [first = "", second, variant] = parts;
  if (parts.length > 3) return false;
  if (parts.length === 1) return first === "linux" || normal(first) === architecture;
  const usual = architecture === "arm64" ? "v8" : "v1";
  return first === "linux" && normal(second ?? "") === architecture && (variant === undefined || variant === usual);
}

function normal(architecture: string): string {
  return Object.hasOwn(ARCHITECTURES, architecture) ? (ARCHITECTURES[architecture] ?? architecture) : architecture;
}
