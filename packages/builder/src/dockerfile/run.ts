import { problemAt } from "../problem.ts";
import { readCommand } from "./command.ts";
import { csvFields } from "./csv.ts";
import { Flags } from "./flags.ts";
import type { MountFlag, RunInstruction } from "./instruction.ts";
import type { RawInstruction } from "./lines.ts";

/** RUN with its flags. What strangers on one host must not have (the host's network, privileges, devices) is refused. */
export function readRun(raw: RawInstruction): RunInstruction {
  const flags = Flags.read(raw, { mount: "texts", network: "text", security: "text", device: "texts" });
  const network = readNetwork(raw, flags.text("network") ?? "default");
  readSecurity(raw, flags.text("security") ?? "sandbox");
  if (flags.texts("device").length > 0) {
    throw problemAt(raw.at, "unsupported", "RUN --device is refused: builds see no devices of the host. Remove the flag.");
  }
  const command = readCommand(raw);
  if (command.form === "exec" && command.argv.length === 0) {
    throw problemAt(raw.at, "dockerfile", "RUN [] has no program; name one.");
  }
  const mounts = flags.texts("mount").map((text) => readMount(raw, text));
  return { type: "run", command, mounts, network, heredocs: raw.heredocs };
}

function readNetwork({ at }: RawInstruction, value: string): "default" | "none" {
  if (value === "default" || value === "none") return value;
  if (value === "host") {
    throw problemAt(
      at,
      "unsupported",
      "RUN --network=host is refused: the host's network belongs to its operator, and builds of strangers share the host. Remove the flag; the default network reaches the internet.",
    );
  }
  throw problemAt(at, "dockerfile", `--network=${value.slice(0, 40)} is no network; write --network=none, or remove the flag.`);
}

function readSecurity({ at }: RawInstruction, value: string): void {
  if (value === "sandbox") return;
  if (value === "insecure") {
    throw problemAt(
      at,
      "unsupported",
      "RUN --security=insecure is refused: builds of strangers share the host, so all of them run in the sandbox. Remove the flag.",
    );
  }
  throw problemAt(at, "dockerfile", `--security=${value.slice(0, 40)} is no mode; remove the flag.`);
}

function readMount({ at }: RawInstruction, text: string): MountFlag {
  const fields = csvFields(text);
  if (fields === undefined) {
    const shown = text.slice(0, 100);
    throw problemAt(at, "dockerfile", `--mount=${shown} has a quote in the wrong place; put the whole part in quotes: '"source=a,b"'.`);
  }
  return {
    fields: fields.map((field) => {
      const equals = field.indexOf("=");
      if (equals < 0) return { key: field.toLowerCase() };
      const key = field.slice(0, equals).toLowerCase();
      const value = field.slice(equals + 1);
      if (key === "from" && /\$./s.test(value)) {
        throw problemAt(
          at,
          "dockerfile",
          "The from of a --mount takes no variables; give the image a stage of its own (FROM $IMAGE AS name) and mount from that name.",
        );
      }
      return { key, value };
    }),
  };
}
