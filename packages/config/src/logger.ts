import { AppError, errorText } from "@plimsoll/core";
import pino from "pino";

/** Structured log: one JSON object a line on standard output. Facts as fields, never tenant text in the message, never a secret. */
export interface Logger {
  debug(message: string, facts?: Facts): void;
  info(message: string, facts?: Facts): void;
  warn(message: string, facts?: Facts): void;
  error(message: string, facts?: Facts): void;
  /** A logger that adds these facts to every line. */
  child(facts: Facts): Logger;
}
export type Facts = Readonly<Record<string, unknown>>;

/** Field names whose values never reach a log, whoever passes them. */
const SECRET_FIELDS = [
  "password",
  "secret",
  "token",
  "credential",
  "authorization",
  "cookie",
  "privateKey",
  "env",
  "secretEnv",
  "sealedEnv",
  "sealedSecrets",
];

/** The log of one program. Level from PLIMSOLL_LOG_LEVEL, default info. */
export function createLogger(name: string, destination?: { write(line: string): void }): Logger {
  const options: pino.LoggerOptions = {
    name,
    level: process.env.PLIMSOLL_LOG_LEVEL ?? "info",
    base: { name },
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: "[redacted]" },
    serializers: { error: describe },
  };
  return adapt(destination === undefined ? pino(options) : pino(options, destination));
}

/** What we throw on purpose says it all; anything else also says where it came from. */
function describe(error: unknown): string {
  return error instanceof Error && !(error instanceof AppError) ? (error.stack ?? errorText(error)) : errorText(error);
}

function adapt(inner: pino.Logger): Logger {
  return {
    debug: (message, facts) => inner.debug(facts ?? {}, message),
    info: (message, facts) => inner.info(facts ?? {}, message),
    warn: (message, facts) => inner.warn(facts ?? {}, message),
    error: (message, facts) => inner.error(facts ?? {}, message),
    child: (facts) => adapt(inner.child(facts)),
  };
}
