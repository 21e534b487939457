/**
 * The proc-receive hook as git runs it: a pipe between git and the server, and nothing else, so that it starts fast (plain JavaScript and
 * one built-in module: 24 ms, against 58 ms when Node strips types first). Copied to where git finds it by install.ts.
 *
 * To the server: the session's name and a newline, then what git writes. From the server: frames (frames.ts) of one byte kind, four
 * bytes length (big endian) and payload. Kinds: 1 to git, 2 to the person who pushes, 3 the exit code as one byte.
 */
const { connect } = require("node:net");

const { PLIMSOLL_HOOK_SOCKET: path, PLIMSOLL_HOOK_SESSION: session } = process.env;
const ON_LOSS = "The platform stopped answering. If the push was received its deploy goes on; push again to see it.";

/** @param {string} sentence */
function leave(sentence) {
  process.stderr.write(`${sentence}\n`, () => process.exit(1));
}

if (path === undefined || session === undefined) {
  leave("This repository takes pushes through Plimsoll only.");
} else {
  const socket = connect({ path, allowHalfOpen: true });
  let rest = Buffer.alloc(0);
  socket.write(`${session}\n`);
  process.stdin.pipe(socket);
  socket.on("data", (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 5) {
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) return;
      const payload = rest.subarray(5, end);
      if (rest[0] === 1) process.stdout.write(payload);
      else if (rest[0] === 2) process.stderr.write(payload);
      else process.exit(payload[0]);
      rest = rest.subarray(end);
    }
  });
  let lost = false;
  const onLoss = () => {
    if (!lost) leave(ON_LOSS);
    lost = true;
  };
  // A server that dies closes its half only; whoever waits for ours to close as well waits for ever.
  socket.on("end", onLoss);
  socket.on("error", onLoss);
  socket.on("close", onLoss);
  for (const stream of [process.stdin, process.stdout, process.stderr]) stream.on("error", () => process.exit(1));
}
