package kubetest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// watcher is one watch under way.
type watcher struct {
	call      *call
	table     *table
	filter    filter
	rv        uint64 // seen up to here
	bookmarks bool
	cut, old  chan struct{}
	out       bytes.Buffer
}

// bookmarkEvery is how often a watch that asked for bookmarks gets one, as from the real server.
const bookmarkEvery = time.Minute

// errExpired is what a watch or list of a forgotten version gets.
func errExpired(rv uint64) *apierrors.StatusError {
	return apierrors.NewResourceExpired(fmt.Sprintf("too old resource version: %d", rv))
}

// serveWatch streams changes until the client goes, the timeout that it asked for, CutWatches, ExpireWatches or Close.
func (s *Server) serveWatch(c *call) error {
	want, err := newFilter(c.kind, c.log.NS, c.query.Get("labelSelector"), c.query.Get("fieldSelector"))
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	x := &watcher{call: c, filter: want, bookmarks: c.query.Get("allowWatchBookmarks") == "true"}
	if err := s.begin(x); err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	seconds, _ := strconv.ParseFloat(c.query.Get("timeoutSeconds"), 64)
	if seconds <= 0 {
		seconds = 45 * 60
	}
	timeout := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timeout.Stop()
	bookmark := time.NewTicker(bookmarkEvery)
	defer bookmark.Stop()
	s.stream(x, timeout.C, bookmark.C)
	return nil
}

// begin finds where the watch starts: at the version asked for, or with all there is now.
func (s *Server) begin(x *watcher) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := x.call.query
	x.table, x.cut, x.old = s.tables[x.call.kind], s.knobs.cut, s.knobs.expired
	asked := q.Get("resourceVersion")
	initial := q.Get("sendInitialEvents") == "true"
	if asked != "" && asked != "0" && !initial {
		rv, err := strconv.ParseUint(asked, 10, 64)
		if err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("invalid resource version %q", asked))
		}
		if _, ok := x.table.since(rv); !ok {
			return errExpired(rv)
		}
		x.rv = rv
		return nil
	}
	x.rv = s.rv
	if q.Get("sendInitialEvents") == "false" {
		return nil
	}
	for _, r := range s.selected(x.call.kind, x.filter) {
		x.event(watch.Added, r.json())
	}
	if initial && x.bookmarks {
		x.bookmark(metav1.InitialEventsAnnotationKey)
	}
	return nil
}

func (s *Server) stream(x *watcher, timeout, bookmark <-chan time.Time) {
	flush := http.NewResponseController(x.call.w)
	for {
		s.mu.Lock()
		changes, ok := x.table.since(x.rv)
		changed := x.table.changed
		if ok {
			x.rv = max(x.rv, s.rv)
		}
		s.mu.Unlock()
		if !ok {
			x.fail(errExpired(x.rv))
		}
		for _, c := range changes {
			x.show(c)
		}
		if _, err := x.call.w.Write(x.out.Bytes()); err != nil || flush.Flush() != nil || !ok {
			return
		}
		x.out.Reset()
		select {
		case <-changed:
		case <-bookmark:
			if x.bookmarks {
				x.bookmark("")
			}
		case <-x.old:
			x.fail(errExpired(x.rv))
			_, _ = x.call.w.Write(x.out.Bytes())
			return
		case <-x.cut:
			return
		case <-timeout:
			return
		case <-x.call.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// show writes a change as this watch sees it: what begins to match is added, what no longer does is deleted.
func (x *watcher) show(c change) {
	was := c.before != nil && x.filter.matches(c.before)
	is := c.kind != watch.Deleted && x.filter.matches(c.after)
	switch {
	case is && was:
		x.event(watch.Modified, c.after.json())
	case is:
		x.event(watch.Added, c.after.json())
	case was && c.kind == watch.Deleted:
		x.event(watch.Deleted, c.after.json())
	case was:
		last := newRecord(c.before.kind, c.before.obj.DeepCopyObject().(Object), c.rv)
		x.event(watch.Deleted, last.json())
	}
}

func (x *watcher) event(what watch.EventType, object []byte) {
	fmt.Fprintf(&x.out, `{"type":%q,"object":`, what)
	x.out.Write(object)
	x.out.WriteString("}\n")
}

func (x *watcher) bookmark(annotation string) {
	mark := x.call.kind.new()
	if annotation != "" {
		mark.SetAnnotations(map[string]string{annotation: "true"})
	}
	x.event(watch.Bookmark, newRecord(x.call.kind, mark, x.rv).json())
}

func (x *watcher) fail(err *apierrors.StatusError) {
	status := err.ErrStatus
	status.Kind, status.APIVersion = "Status", "v1"
	x.event(watch.Error, encode(status))
}
