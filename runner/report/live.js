(function () {
  var status = document.getElementById('live'), busy = false, again = false, over = false;
  function say(text) { if (status.textContent !== text) status.textContent = text; }
  function id(e) { var at = e && e.closest && e.closest('[id]'); return at && at.id !== 'live' ? at.id : ''; }
  function show(text) {
    var next = new DOMParser().parseFromString(text, 'text/html');
    var open = Array.prototype.map.call(document.querySelectorAll('details[open]'), function (d) { return d.id; });
    var focused = id(document.activeElement), x = scrollX, y = scrollY;
    ['header', 'main'].forEach(function (tag) { document.querySelector(tag).replaceWith(next.querySelector(tag)); });
    open.forEach(function (name) { var d = document.getElementById(name); if (d) d.open = true; });
    var f = focused && document.getElementById(focused);
    if (f) (f.querySelector('summary') || f).focus({ preventScroll: true });
    scrollTo(x, y);
    document.title = next.title;
  }
  function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    fetch('.', { cache: 'no-store' }).then(function (r) {
      if (!r.ok) throw r.status;
      return r.text();
    }).then(function (text) {
      show(text);
      say(over ? 'The run has ended for this process; nothing here changes any more.' : 'Live: this page follows the run.');
    }).catch(function () {}).finally(function () {
      busy = false;
      if (again) { again = false; refresh(); }
    });
  }
  var source = new EventSource('events');
  source.onmessage = refresh;
  source.addEventListener('over', function () { over = true; source.close(); refresh(); });
  source.onerror = function () { if (!over) say('fleetup does not answer; what is shown is the last that was heard.'); };
})();
