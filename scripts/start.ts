/** `npm start`, after the bootstrap: brings the platform up or adopts what runs, and says where it is. */
import { errorText } from "@plimsoll/core";
import { bringUp } from "./platform/bring-up.ts";
import { thisInstallation } from "./platform/installation.ts";

try {
  const { setup } = await bringUp(thisInstallation(), "production");
  const lines = [
    ...(setup.sample === undefined ? [] : [`  Live    ${setup.sample.url}`]),
    ...(setup.claimUrl === undefined ? [] : [`  Portal  ${setup.claimUrl}   (once, for the first administrator; valid 1 h)`]),
  ];
  console.log(
    ["", ...lines, "", "  Your own app:   plim init && git push plimsoll main          Stop: npm stop    State: npm run status"].join("\n"),
  );
} catch (error) {
  console.log(`\n${errorText(error)}\n\nWhat runs was left running: npm run status shows it, npm start goes on from here.`);
  process.exitCode = 1;
}
// The schema engine keeps a connection open.
process.exit();
