/* Siyu for pages: who reads, how long and how far, by whose link, and who passes it on. docs/channels/h5.md
 *
 * <script async src="https://siyu.example/siyu.js" data-account="main" data-key="WRITE KEY" data-article="a-1103"></script>
 *
 * Nothing in here may break the page: whatever fails, fails silently.
 */
(function () {
  "use strict";
  var script = document.currentScript;
  if (!script || window.siyu) return;

  var HERE = new URL(script.src).origin;
  var GIVEN = script.dataset;
  var PARAMETER = "siyu"; // the token of the link by which one came
  var CLAIM = "siyu_claim"; // what WeChat said of the visitor, sealed
  var KNOWN_MS = 30 * 86400000; // so long WeChat is not asked again
  var FIRST_MS = 1000; // a read is told so soon, since the last word of a page often gets lost
  var PATIENCE_MS = 3000; // so long a first read waits for what `open` answers
  var STRETCH_MS_MIN = 250;

  var entry = location.href;
  var loadedPath = location.pathname;
  var anonymousId = kept("siyu_id") || keep("siyu_id", random());
  var leaving = false;
  var view = null;
  var last = "";

  // What is kept: in local storage, or, where there is none, in a cookie of the page's own.

  function kept(name) {
    try {
      var value = localStorage.getItem(name);
      if (value) return value;
    } catch (_) {}
    var found = document.cookie.match("(?:^|; )" + name + "=([^;]*)");
    return found && decodeURIComponent(found[1]);
  }

  function keep(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch (_) {}
    document.cookie =
      name + "=" + encodeURIComponent(value) + "; path=/; max-age=63072000; samesite=lax" +
      (location.protocol === "https:" ? "; secure" : "");
    return value;
  }

  function random() {
    var bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.prototype.map.call(bytes, function (b) { return (b + 256).toString(16).slice(1); }).join("");
  }

  function safely(work) {
    return function () {
      try {
        return work.apply(this, arguments);
      } catch (_) {}
    };
  }

  // Addresses

  function parameter(name) {
    return new URL(location.href).searchParams.get(name);
  }

  function address(changes) {
    var url = new URL(location.href);
    if (url.hash === "#wechat_redirect") url.hash = ""; // a browser carries it through all redirections
    Object.keys(changes).forEach(function (name) {
      if (changes[name]) url.searchParams.set(name, changes[name]);
      else url.searchParams.delete(name);
    });
    return url.href;
  }

  function show(url) {
    if (url !== location.href) replaceState.call(history, history.state, "", url);
    last = page();
  }

  /* What is the same page: its address without what tells whence one came. */
  function page() {
    var changes = { ajs_uid: "", ajs_aid: "" };
    changes[PARAMETER] = changes[CLAIM] = "";
    return address(changes);
  }

  // Sending. As text/plain no browser asks for leave first.

  function post(path, body) {
    return fetch(HERE + path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "text/plain" },
      credentials: "omit",
      referrerPolicy: "no-referrer",
    }).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
      return answer.json();
    });
  }

  function emit(event) {
    var own = { namespace: "anonymous_id", scope: GIVEN.account, value: anonymousId };
    event.id = event.id || random();
    event.channel = "h5";
    event.occurred_at = new Date().toISOString();
    event.identifiers = (event.identifiers || []).concat([own]);
    var body = JSON.stringify({ writeKey: GIVEN.key, events: [event] });
    var url = HERE + "/v1/beacon";
    if (navigator.sendBeacon && navigator.sendBeacon(url, new Blob([body], { type: "text/plain" }))) return;
    fetch(url, { method: "POST", body: body, headers: { "Content-Type": "text/plain" }, keepalive: true,
                 credentials: "omit" }).catch(function () {});
  }

  // A view of an article: told in stretches, each with the time that it was visible since the one before.

  function articleId() {
    var meta = document.querySelector('meta[name="siyu-article"]');
    return (meta && meta.content) || (location.pathname === loadedPath && GIVEN.article) || location.pathname;
  }

  function begin(article) {
    end();
    var claim = parameter(CLAIM);
    var changes = {};
    changes[CLAIM] = "";
    show(address(changes));
    view = { id: random(), article: article, came: parameter(PARAMETER), stretch: 0, shownMs: 0, since: visibleNow(),
             scroll: 0, own: null };
    var mine = view;
    look();
    var opened = open(mine, claim).catch(function () {});
    var patience = new Promise(function (done) { setTimeout(done, PATIENCE_MS); });
    Promise.race([opened, patience]).then(function () {
      setTimeout(safely(function () { if (mine === view && !mine.stretch) tell(); }), FIRST_MS);
    });
  }

  function end() {
    if (view) tell();
    view = null;
  }

  function visibleNow() {
    return document.visibilityState === "hidden" ? null : performance.now();
  }

  function look() {
    var root = document.documentElement;
    var seen = (window.pageYOffset + window.innerHeight) / Math.max(root.scrollHeight, 1);
    if (view) view.scroll = Math.max(view.scroll, Math.min(seen, 1));
  }

  function tell() {
    if (!view || leaving) return;
    look();
    if (view.since !== null) {
      view.shownMs += performance.now() - view.since;
      view.since = visibleNow();
    }
    if (view.stretch && view.shownMs < STRETCH_MS_MIN) return;
    view.stretch += 1;
    var event = {
      id: view.id + "-" + view.stretch,
      type: "article.read",
      article: view.article,
      properties: {
        dwell_ms: Math.round(view.shownMs),
        scroll: Math.round(view.scroll * 100) / 100,
        stretch: view.stretch,
      },
      context: { session_id: view.id },
    };
    if (view.came && view.came !== view.own) event.share = { token: view.came, scene: scene() };
    view.shownMs = 0;
    emit(event);
  }

  /* WeChat adds to a link by what it was shared. */
  function scene() {
    var scenes = { singlemessage: "friend", groupmessage: "group", timeline: "moments" };
    return scenes[parameter("from")] || "other";
  }

  // Opening: one's own link, and once in a while the way to WeChat and back.

  function open(mine, claim) {
    return post("/v1/pages/open", {
      account: GIVEN.account, writeKey: GIVEN.key, anonymous_id: anonymousId, url: location.href,
      came_by: mine.came, article: mine.article.id, claim: claim,
    }).then(function (answer) {
      if (answer.identified) keep("siyu_wx", String(Date.now()));
      if (mine !== view) return;
      if (answer.oauth && mayAsk()) {
        leaving = true;
        location.replace(answer.oauth);
        return;
      }
      var changes = {};
      changes[PARAMETER] = mine.own = answer.token;
      show(address(changes));
      offer(mine);
    });
  }

  function mayAsk() {
    if (!/MicroMessenger/i.test(navigator.userAgent)) return false;
    if (Date.now() - Number(kept("siyu_wx") || 0) < KNOWN_MS) return false;
    try {
      if (sessionStorage.getItem("siyu_asked")) return false;
      sessionStorage.setItem("siyu_asked", "1");
      return sessionStorage.getItem("siyu_asked") === "1"; // where nothing is kept, one would ask for ever
    } catch (_) {
      return false;
    }
  }

  /* Tell WeChat what to share. That it was told so is no share: a share shows when somebody opens the link. */
  function offer(mine) {
    var wx = window.wx;
    if (!wx || !wx.config) return;
    // On iOS WeChat takes the address by which the page was entered for the page's, whatever became of it since.
    var url = (/iPhone|iPad/.test(navigator.userAgent) ? entry : location.href).split("#")[0];
    var query = "?account=" + encodeURIComponent(GIVEN.account) + "&url=" + encodeURIComponent(url);
    fetch(HERE + "/v1/pages/signature" + query, { credentials: "omit", referrerPolicy: "no-referrer" })
      .then(function (answer) { return answer.json(); })
      .then(function (signed) {
        if (mine !== view || !signed.signature) return;
        signed.jsApiList = ["updateAppMessageShareData", "updateTimelineShareData"];
        wx.config(signed);
        wx.ready(safely(function () {
          var shared = { title: document.title, desc: GIVEN.description || "", link: location.href.split("#")[0],
                         imgUrl: GIVEN.image || "" };
          wx.updateAppMessageShareData(shared);
          wx.updateTimelineShareData(shared);
        }));
      })
      .catch(function () {});
  }

  // Pages that change without being loaded

  var replaceState = history.replaceState;
  ["pushState", "replaceState"].forEach(function (name) {
    var original = history[name];
    history[name] = function () {
      var result = original.apply(this, arguments);
      setTimeout(moved, 0);
      return result;
    };
  });

  var moved = safely(function () {
    if (page() !== last) begin({ id: articleId(), title: document.title, url: page().split("#")[0] });
  });

  window.addEventListener("popstate", function () { setTimeout(moved, 0); });
  window.addEventListener("scroll", safely(look), { passive: true });
  window.addEventListener("pagehide", safely(tell));
  document.addEventListener("visibilitychange", safely(function () {
    if (document.visibilityState === "hidden") tell();
    else if (view) view.since = visibleNow();
  }));

  /* Who made the link could have named anybody in it: what stands in it as a user's name is none. */
  function named(identifiers) {
    var search = new URL(entry).searchParams;
    return identifiers.filter(function (one) {
      var value = typeof one === "string" ? one.slice(one.indexOf(":") + 1) : one.value;
      return value !== search.get("ajs_uid") && value !== search.get("ajs_aid");
    });
  }

  window.siyu = {
    /* identify(["user_id:42", "phone:138…"]): the visitor says who he is. */
    identify: safely(function (identifiers, properties) {
      emit({ type: "identify", identifiers: named([].concat(identifiers)), properties: properties || {} });
    }),
    /* track("video.played", {seconds: 12}) */
    track: safely(function (name, properties) {
      emit({ type: "track", properties: Object.assign({}, properties, { event: name }) });
    }),
    /* article({id: "a-1104", title: "…"}): another article is read now, by the same address. */
    article: safely(function (article) {
      begin(Object.assign({ title: document.title, url: page().split("#")[0] },
                          typeof article === "string" ? { id: article } : article));
    }),
    anonymousId: anonymousId,
  };

  safely(function () {
    begin({ id: articleId(), title: document.title, url: page().split("#")[0] });
  })();
})();
