// Segment's library for Node as its users call it: who, from where, then what.
import { Analytics } from "@segment/analytics-node";

const [, , host, writeKey] = process.argv;
const analytics = new Analytics({ writeKey, host, flushAt: 20 });
analytics.on("error", (error) => { console.error(error); process.exitCode = 1; });
analytics.identify({ userId: "node", anonymousId: "node-anon", traits: { email: "node@example.com" } });
analytics.track({ userId: "node", event: "Read", properties: { n: 1 } });
analytics.alias({ userId: "node", previousId: "node-before" });
await analytics.closeAndFlush({ timeout: 10000 });
