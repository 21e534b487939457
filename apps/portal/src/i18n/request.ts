import { getRequestConfig } from "next-intl/server";
import en from "../../messages/en.json" with { type: "json" };

/** One language for now; a second one is chosen here, per request. */
export default getRequestConfig(async () => ({ locale: "en", messages: en, timeZone: "UTC" }));
