/* Siyu for mini-programs: who reads, how long, by whose link, and who passes it on. docs/channels/mini-program.md
 *
 * const siyu = require("./siyu-mini.js");      // in app.js, before App()
 * siyu.start({ url: "https://siyu.example", account: "main", key: "WRITE KEY" });
 *
 * Nothing in here may break the mini-program: what fails on its own behalf, fails silently.
 */
"use strict";

var PARAMETER = "siyu"; // the token of the link by which one came
var TOKEN = /^[0-9A-Za-z]{10,32}$/;
var SINGLE_PAGE = 1154; // seen from Moments without the mini-program: nobody can log in there
var QUEUE_MAX = 200; // what waits longer than these is dropped
var BATCH_MAX = 50;
var FIRST_MS = 1000; // a read is told so soon
var STRETCH_MS_MIN = 250;
var PAUSE_MS = 1000; // what happens meanwhile is sent together
var RETRY_MS = 5000; // doubled with each failure,
var RETRY_MS_MAX = 300000; // up to this
var DAY_MS = 86400000;

var given = null;
var anonymousId = null; // a promise of it
var session = null;
var logging = null; // a promise, while one logs in
var launch = {};
var queue = [];
var sending = false;
var timer = null;
var failures = 0;
var view = null;
var loading = null; // the page that is in its onLoad
var own = {}; // the tokens of one's own links, by article

function kept(name) {
  try {
    return wx.getStorageSync("siyu_" + name);
  } catch (_) {}
}

function keep(name, value) {
  try {
    wx.setStorageSync("siyu_" + name, value);
  } catch (_) {}
  return value;
}

function safely(work) {
  return function () {
    try {
      return work.apply(this, arguments);
    } catch (_) {}
  };
}

function nothing() {}

function hex(bytes) {
  return Array.prototype.map.call(bytes, function (b) { return (b + 256).toString(16).slice(1); }).join("");
}

function random() {
  var bytes = [];
  while (bytes.length < 16) bytes.push(Math.floor(Math.random() * 256));
  return hex(bytes);
}

/* Which phone this is. It should not be guessed, so it is made of better numbers than others where there are any. */
function identity() {
  var known = kept("id");
  if (known) return Promise.resolve(known);
  return new Promise(function (done) {
    var poor = function () { done(random()); };
    if (!wx.getRandomValues) return poor();
    wx.getRandomValues({
      length: 16,
      success: function (answer) { done(hex(new Uint8Array(answer.randomValues))); },
      fail: poor,
    });
  }).then(function (id) { return keep("id", id); });
}

// Sending

/* Fails with the status of the answer, 0 where there is none. */
function post(path, body) {
  return anonymousId.then(function (id) {
    body.writeKey = given.key;
    body.anonymous_id = id;
    return new Promise(function (done, failed) {
      wx.request({
        url: given.url + "/mini/" + given.account + path,
        method: "POST",
        data: body,
        timeout: 10000,
        header: { "content-type": "application/json" },
        success: function (answer) {
          if (answer.statusCode < 300) done(answer.data);
          else failed(answer.statusCode);
        },
        fail: function () { failed(0); },
      });
    });
  });
}

function emit(event) {
  event.id = event.id || random();
  event.occurred_at = new Date().toISOString();
  queue.push(event);
  queue.splice(0, queue.length - QUEUE_MAX);
  keep("queue", queue);
  soon(PAUSE_MS);
}

function soon(ms) {
  if (!timer) timer = setTimeout(function () { timer = null; flush(); }, ms);
}

function flush() {
  if (sending || !queue.length) return;
  sending = true;
  var batch = queue.slice(0, BATCH_MAX);
  (logging || Promise.resolve()).catch(nothing)
    .then(function () {
      var body = { sent_at: new Date().toISOString(), events: batch };
      if (session) body.session = session;
      return post("/events", body);
    })
    .then(function () { return true; }, lost)
    .then(function (done) {
      sending = false;
      if (done) {
        queue = queue.filter(function (event) { return batch.indexOf(event) < 0; });
        keep("queue", queue);
        failures = 0;
        if (queue.length) soon(0);
      } else {
        soon(Math.min(RETRY_MS * Math.pow(2, failures++), RETRY_MS_MAX));
      }
    });
}

/* Whether a batch is never to be sent again: it will not be taken however often. */
function lost(status) {
  if (status === 403 && session) {
    forget();
    login().catch(nothing);
    return false;
  }
  return status >= 400 && status < 500 && [401, 403, 404, 408, 429].indexOf(status) < 0;
}

// Who it is

function forget() {
  session = keep("session", null);
}

/* Log in, without a word to the reader. Siyu gets a code of WeChat's, and gives back a session that the phone cannot read. */
function login() {
  if (logging) return logging;
  if (launch.scene === SINGLE_PAGE) return Promise.reject(new Error("nobody can log in on a single page"));
  var attempt = new Promise(function (done, failed) {
    wx.login({ timeout: 10000, success: function (answer) { done(answer.code); }, fail: failed });
  }).then(function (code) {
    return post("/login", { code: code, launch: launch });
  }).then(function (answer) {
    session = keep("session", answer.session);
    keep("until", Date.now() + answer.expires_in * 1000);
  });
  var over = function () { logging = null; };
  logging = attempt;
  attempt.then(over, over);
  return attempt;
}

/* Send *body* with the session; where that has ended, with a new one. */
function vouched(path, body) {
  var send = function () {
    body.session = session;
    return post(path, body);
  };
  return (session ? Promise.resolve() : login()).then(send).catch(function (status) {
    if (status !== 403) throw status;
    forget();
    return login().then(send);
  });
}

// The mini-program as a whole

function shown(options) {
  var from = options.referrerInfo || {};
  launch = { scene: options.scene, path: options.path, query: options.query || {}, referrer_app_id: from.appId || "" };
  if (!session && given.login !== false) login().catch(nothing);
  emit({ type: "mini_program.opened", launch: launch });
  if (options.shareTicket) group(options.shareTicket);
}

function group(ticket) {
  login().then(function () {
    wx.getShareInfo({
      shareTicket: ticket,
      success: function (answer) {
        vouched("/group", { encryptedData: answer.encryptedData, iv: answer.iv }).catch(nothing);
      },
    });
  }).catch(nothing);
}

// A view of a page: told in stretches, each with the time that it was seen since the one before.

function came(query) {
  var scene = decodeURIComponent(query.scene || "");
  return query[PARAMETER] || (TOKEN.test(scene) ? scene : null);
}

function begin(page) {
  var article = page.siyuArticle;
  view = { id: random(), page: page, article: article, name: article ? article.id : page.route, stretch: 0, shownMs: 0,
           since: Date.now(), came: safely(came)(page.siyuQuery || {}) };
  page.siyuView = view;
  var mine = view;
  mine.opening = post("/open", { article: mine.name, came_by: mine.came || null }).then(function (answer) {
    own[mine.name] = answer.token;
  });
  mine.opening.catch(nothing);
  setTimeout(safely(function () { if (mine === view && !mine.stretch) tell(); }), FIRST_MS);
}

function tell() {
  var now = Date.now();
  view.shownMs += Math.max(now - view.since, 0);
  view.since = now;
  if (view.stretch && view.shownMs < STRETCH_MS_MIN) return;
  view.stretch += 1;
  var event = {
    id: view.id + "-" + view.stretch,
    type: view.article ? "article.read" : "mini_program.paged",
    properties: { path: view.page.route, dwell_ms: view.shownMs, stretch: view.stretch },
    context: { session_id: view.id },
  };
  if (view.article) event.article = view.article;
  if (view.article && view.came && view.came !== own[view.name]) {
    event.share = { token: view.came };
    event.launch = { scene: launch.scene };
  }
  view.shownMs = 0;
  emit(event);
}

function leave() {
  if (view && view.page === this) {
    tell();
    view = null;
    flush();
  }
}

function enter() {
  if (view && view.page !== this) leave.call(view.page);
  var past = this.siyuView;
  if (!past || past.article !== this.siyuArticle) return begin(this);
  view = past;
  view.since = Date.now();
}

// Lifecycles, in which ours come beside those of the mini-program and never instead.

function beside(options, name, before, after) {
  var theirs = options[name];
  options[name] = function () {
    safely(before).apply(this, arguments);
    try {
      if (typeof theirs === "function") return theirs.apply(this, arguments);
    } finally {
      safely(after).apply(this, arguments);
    }
  };
}

function paged(options) {
  beside(options, "onLoad", function (query) {
    this.siyuQuery = query;
    loading = this;
  }, function () { loading = null; });
  beside(options, "onShow", nothing, enter);
  beside(options, "onHide", leave, nothing);
  beside(options, "onUnload", leave, nothing);
}

function wrap() {
  var app = App, page = Page, component = typeof Component === "function" && Component;
  App = function (options) {
    beside(options, "onShow", shown, nothing);
    beside(options, "onHide", flush, nothing);
    return app.apply(this, arguments);
  };
  Page = function (options) {
    paged(options);
    return page.apply(this, arguments);
  };
  if (component) {
    Component = function (options) {
      if (options.methods && options.methods.onLoad) paged(options.methods); // only a page is loaded
      return component.apply(this, arguments);
    };
  }
}

function address(page, query) {
  var written = Object.keys(query).map(function (name) {
    return encodeURIComponent(name) + "=" + encodeURIComponent(query[name]);
  }).join("&");
  return { path: page + (written ? (page.indexOf("?") < 0 ? "?" : "&") + written : ""), query: written };
}

/* What is shared of the page that is seen, with one's own token. */
function passedOn(shared) {
  var query = {}, token = view && own[view.name], opened = (view && view.page.siyuQuery) || {};
  var path = shared.path || (view ? "/" + view.page.route : "");
  Object.keys(shared.path ? {} : opened).forEach(function (name) {
    // A page gets its parameters as they are written in an address.
    if (name !== PARAMETER && !(name === "scene" && view.came)) query[name] = safely(decodeURIComponent)(opened[name]);
  });
  if (token) query[PARAMETER] = token;
  return Object.assign({}, shared, address(path, query));
}

module.exports = {
  /* start({url, account, key}): before App(), in app.js. With `login: false` nobody is logged in until `login()`. */
  start: safely(function (options) {
    if (given) return;
    given = options;
    anonymousId = identity();
    queue = kept("queue") || [];
    if (!Array.isArray(queue)) queue = [];
    if (kept("until") > Date.now() + DAY_MS) session = kept("session") || null;
    wrap();
    if (wx.onNetworkStatusChange) {
      wx.onNetworkStatusChange(function (network) { if (network.isConnected) flush(); });
    }
    soon(PAUSE_MS);
  }),
  /* A promise that is kept when WeChat has said who it is. */
  login: function () { return session ? Promise.resolve() : login(); },
  /* phone(event) of a `getPhoneNumber` button: a promise of {phone}. */
  phone: function (event) {
    var code = event && event.detail && event.detail.code;
    return code ? vouched("/phone", { code: code }) : Promise.reject(new Error("the reader shows no phone"));
  },
  /* article({id, title}): in onLoad, or when the page comes to show another. */
  article: safely(function (article) {
    var page = loading || (view && view.page);
    if (!page) return;
    page.siyuArticle = typeof article === "string" ? { id: article } : article;
    if (view && view.page === page) {
      tell();
      begin(page);
    }
  }),
  /* share({title, path, imageUrl}): what onShareAppMessage and onShareTimeline return. */
  share: function (shared) {
    var now = passedOn(shared || {});
    if (view && !own[view.name]) {
      now.promise = view.opening.then(nothing, nothing).then(function () { return passedOn(shared || {}); });
    }
    return now;
  },
  /* track("coupon.seen", {place: "top"}) */
  track: safely(function (name, properties) {
    emit({ type: "track", properties: Object.assign({}, properties, { event: name }) });
  }),
};
