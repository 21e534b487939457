import { Transform } from "node:stream";

/** receive-pack's own words for a commit whose parents neither side has (builtin/receive-pack.c). */
const REFUSED = "shallow update not allowed";
const ADVICE =
  "This clone is shallow: it was made with --depth, and the commits below are neither in it nor here.\n" +
  "Get the rest from where it came from, then push again:\n" +
  "  git fetch --unshallow\n";

/**
 * Passes on what git's receive-pack writes, and puts a sentence for the person before the report that refuses a shallow push: git decides
 * that before any hook is asked. Everything is pkt-lines (gitprotocol-common); what is not is passed on untouched from there on.
 */
export function adviseShallow(): Transform {
  let pending: Buffer = Buffer.alloc(0);
  let lost = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (lost) return done(null, chunk);
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      let at = 0;
      while (pending.length - at >= 4) {
        const length = Number.parseInt(pending.toString("latin1", at, at + 4), 16);
        if (Number.isNaN(length)) {
          lost = true;
          break;
        }
        const end = at + Math.max(4, length);
        if (end > pending.length) break;
        if (pending[at + 4] === 1 && length > 5 && pending.toString("latin1", at + 5, end).includes(REFUSED)) this.push(sideband(ADVICE));
        this.push(pending.subarray(at, end));
        at = end;
      }
      const rest = pending.subarray(at);
      pending = lost ? Buffer.alloc(0) : rest;
      done(null, lost && rest.length > 0 ? rest : undefined);
    },
    flush(done) {
      done(null, pending.length > 0 ? pending : undefined);
    },
  });
}

/** Text for the person, on the second band of side-band-64k. */
function sideband(text: string): Buffer {
  const payload = Buffer.from(`\u0002${text}`);
  return Buffer.concat([Buffer.from((payload.length + 4).toString(16).padStart(4, "0")), payload]);
}
