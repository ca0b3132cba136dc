// A phone with WeChat on it: it runs mini-programs that are written for it, and does what it is told, a line of JSON at a time.
//
// Each device has a storage of its own and a WeChat in which somebody is logged in. What WeChat does with other machines is done
// with them here, too: requests go to the brand's server, codes come from the platform.

import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import vm from "node:vm";

const devices = {};

function boot({ device, user, script, start, platform, denied }) {
  const before = devices[device] || { storage: new Map(), online: true, requests: [] };
  const phone = { ...before, user, platform, app: null, pages: {}, stack: [], log: [], listeners: [] };
  const ask = (path) => fetch(platform + path).then(async (answer) => {
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  });
  const calling = (promise, options) => promise.then((said) => options.success?.(said), (error) => options.fail?.({ errMsg: `${error}` }));
  const wx = {
    getStorageSync(name) {
      if (denied) throw new Error("getStorageSync:fail");
      return phone.storage.has(name) ? JSON.parse(phone.storage.get(name)) : "";
    },
    setStorageSync(name, value) {
      if (denied) throw new Error("setStorageSync:fail");
      phone.storage.set(name, JSON.stringify(value));
    },
    getRandomValues: (options) => options.success({ randomValues: crypto.getRandomValues(new Uint8Array(options.length)).buffer }),
    onNetworkStatusChange: (listener) => phone.listeners.push(listener),
    login: (options) => calling(
      phone.scene === 1154 ? Promise.reject(new Error("login:fail")) : ask(`/phone/login?user=${user}`), options),
    getShareInfo: (options) => calling(ask(`/phone/group?user=${user}&group=${options.shareTicket}`), options),
    request(options) {
      if (!phone.online) return void setTimeout(() => options.fail({ errMsg: "request:fail" }), 1);
      phone.requests.push({ url: options.url, data: JSON.parse(JSON.stringify(options.data)) });
      fetch(options.url, { method: options.method, headers: options.header, body: JSON.stringify(options.data) })
        .then(async (answer) => {
          const written = await answer.text();
          let data = written;
          try { data = JSON.parse(written); } catch {}
          options.success({ statusCode: answer.status, data });
        }, (error) => options.fail({ errMsg: `request:fail ${error}` }));
    },
  };
  const module = { exports: {} };
  const world = { wx, module, exports: module.exports, setTimeout, clearTimeout, console, phone,
    App: (options) => { phone.app = options; },
    Page: (options) => { phone.pages[phone.route] = options; },
    Component: (options) => { phone.pages[phone.route] = options.methods || {}; } };
  vm.createContext(world);
  vm.runInContext(readFileSync(script, "utf8"), world, { filename: script });
  world.siyu = module.exports;
  phone.world = world;
  phone.siyu = module.exports;
  devices[device] = phone;
  world.start = start;
  vm.runInContext("siyu.start(start); App({ onLaunch() { phone.log.push('launched'); }, onShow() { phone.log.push('shown'); } })", world);
  return null;
}

/* The pages of the mini-program: of an article, whose id is in the address, one that declares none, and one that is broken. */
const PAGES = {
  "pages/article/article": `Page({
    title: "…",
    onLoad(query) { phone.log.push(["load", this.title]); siyu.article({ id: query.id, title: "An article" }); },
    onShareAppMessage() { return siyu.share({ title: "Read this" }); },
    onShareTimeline() { return siyu.share({ title: "Read this" }); } })`,
  "pages/shop/shop": `Component({ methods: { onLoad() { return 7; }, onShareAppMessage() { return siyu.share({}); } } })`,
  "pages/broken/broken": `Page({ onLoad() { throw new Error("theirs"); } })`,
};

const parsed = (path) => {
  const [route, query] = path.replace(/^\//, "").split("?");
  // As WeChat does, a page gets its parameters as they are written.
  return { route, query: Object.fromEntries((query || "").split("&").filter(Boolean).map((pair) => pair.split("="))) };
};

const called = (target, name, ...given) => target[name] && target[name](...given);

async function ordered(order) {
  if (order.do === "boot") return boot(order);
  const phone = devices[order.device];
  const top = phone.stack[phone.stack.length - 1];
  switch (order.do) {
    case "launch": { // from a card, a code or the list
      const { route, query } = parsed(order.path);
      const options = { scene: order.scene ?? 1001, path: route, query, referrerInfo: order.referrer ? { appId: order.referrer } : {},
                        shareTicket: order.shareTicket };
      phone.scene = options.scene;
      called(phone.app, "onLaunch", options);
      called(phone.app, "onShow", options);
      return ordered({ ...order, do: "open" });
    }
    case "open": {
      const { route, query } = parsed(order.path);
      if (top) called(top, "onHide");
      phone.route = route;
      if (!phone.pages[route]) vm.runInContext(PAGES[route], phone.world);
      const page = Object.assign(Object.create(phone.pages[route]), { route });
      phone.stack.push(page);
      let fault = null;
      try { called(page, "onLoad", query); } catch (error) { fault = error.message; }
      called(page, "onShow");
      return fault;
    }
    case "back":
      called(phone.stack.pop(), "onUnload");
      return void called(phone.stack[phone.stack.length - 1] ?? {}, "onShow");
    case "hide":
      called(top, "onHide");
      return void called(phone.app, "onHide");
    case "share": {
      const shared = top[order.to === "moments" ? "onShareTimeline" : "onShareAppMessage"]();
      return shared.promise ? await shared.promise : shared;
    }
    case "online":
      phone.online = order.online;
      return void phone.listeners.forEach((listener) => listener({ isConnected: order.online }));
    case "phone": {
      const detail = order.refused ? { errMsg: "getPhoneNumber:fail user deny" }
        : await (await fetch(`${phone.platform}/phone/number?user=${phone.user}`)).json();
      return phone.siyu.phone({ detail });
    }
    case "call":
      return await phone.siyu[order.name](...(order.given || []));
    case "look":
      return { log: phone.log, requests: phone.requests, storage: Object.fromEntries(phone.storage) };
    case "put":
      return void phone.storage.set(order.name, JSON.stringify(order.value));
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { said: (await ordered(JSON.parse(line))) ?? null };
  } catch (error) {
    answer = { failed: typeof error === "number" ? error : String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
process.exit(0);
