#!/bin/bash
# What a newcomer does on a fresh Debian: both commands, each timed. Stops at the first that fails. Its last lines are the summary.
set -u
cd /root/plimsoll
dpkg-query -W -f '${Package}\n' | sort > /root/packages-before
summary=()

timed() {
  local name=$1 limit=$2 begin=$SECONDS
  shift 2
  printf '\n──── %s\n' "$*"
  "$@"
  local code=$? took=$((SECONDS - begin))
  summary+=("$(printf '%-14s %4d s   exit %d' "$name" "$took" "$code")")
  if ((code != 0 || took > limit)); then
    ((code == 0)) && summary+=("$name took longer than $limit s")
    finish 1
  fi
}

finish() {
  dpkg-query -W -f '${Package}\n' | sort > /root/packages-after
  printf '\n──── fresh Debian %s, Node %s\n' "$(cat /etc/debian_version)" "$(/usr/local/bin/node --version)"
  printf '%s\n' "${summary[@]}"
  printf 'Debian packages installed: %s\n' "$(comm -13 /root/packages-before /root/packages-after | tr '\n' ' ')"
  exit "$1"
}

live() {
  node -e '
    const ask = require("node:http").get({ host: "127.0.0.1", port: 8080, headers: { host: "hello-demo.localhost:8080" } }, (answer) => {
      console.log(`GET http://hello-demo.localhost:8080 → ${answer.statusCode}`);
      process.exit(answer.statusCode === 200 ? 0 : 1);
    });
    ask.on("error", (error) => { console.log(error.message); process.exit(1); });'
}

clean() {
  test -z "$(git status --porcelain)" || { git status --short; return 1; }
}

timed "first start" 240 npm start
timed "live" 5 live
timed "second start" 5 npm start
timed "status" 10 npm run status
timed "stop" 60 npm stop
timed "still live" 5 live
timed "stop --all" 120 npm stop -- --all
timed "test" 1200 npm test
timed "git status" 10 clean
finish 0
