// RudderStack's library for Node as its users call it.
const Analytics = require("@rudderstack/rudder-sdk-node");

const [, , dataPlaneUrl, writeKey] = process.argv;
const analytics = new Analytics(writeKey, { dataPlaneUrl, flushAt: 20, logLevel: "error" });
analytics.identify({ userId: "rnode", anonymousId: "rnode-anon", traits: { phone: "+8613912340001" } });
analytics.track({ userId: "rnode", event: "Read", properties: { n: 1 } });
analytics.alias({ userId: "rnode", previousId: "rnode-before" });
analytics.flush((error) => { if (error) { console.error(error); process.exitCode = 1; } });
