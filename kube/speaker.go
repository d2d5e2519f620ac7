package kube

import (
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// speaker tells what a wait waits for: a refusal at once, all else after a second, and again when it changes, at most
// once a second.
type speaker struct {
	tell  func(string)
	began time.Time
	last  time.Time
	said  string
}

func newSpeaker(tell func(string)) *speaker { return &speaker{tell: tell, began: time.Now()} }

func (s *speaker) about(reasons []string, atOnce bool) {
	text := strings.Join(reasons, "; ")
	if len(reasons) > 4 {
		text = fmt.Sprintf("%s; and %d more", strings.Join(reasons[:4], "; "), len(reasons)-4)
	}
	now := time.Now()
	if s.tell == nil || text == "" || text == s.said || now.Sub(s.last) < time.Second || !atOnce && now.Sub(s.began) < time.Second {
		return
	}
	s.said, s.last = text, now
	s.tell(text)
}

// deadline counts the time since the first refusal, without that in which the API server was away.
type deadline struct {
	watches   *apiTrouble
	lostThen  time.Duration
	refusedAt time.Time
	awaySince time.Time
	awayError error
	lost      time.Duration
	notBefore time.Time // the server asked for this pause
}

func newDeadline(watches *apiTrouble) deadline {
	lost, _ := watches.now()
	return deadline{watches: watches, lostThen: lost}
}

// refusedNow starts the time, once.
func (d *deadline) refusedNow() {
	if d.refusedAt.IsZero() {
		d.refusedAt, d.lost = time.Now(), 0
		d.lostThen, _ = d.watches.now()
	}
}

func (d *deadline) refusedOnce() bool { return !d.refusedAt.IsZero() }

// decided says that the server answers.
func (d *deadline) decided() {
	if !d.awaySince.IsZero() {
		d.lost += time.Since(d.awaySince)
		d.awaySince, d.awayError = time.Time{}, nil
	}
}

// undecided says that it didn't, and keeps the pause it asked for.
func (d *deadline) undecided(err error) {
	if d.awaySince.IsZero() {
		d.awaySince = time.Now()
	}
	d.awayError = err
	if seconds, ok := apierrors.SuggestsClientDelay(err); ok {
		d.notBefore = time.Now().Add(time.Duration(seconds) * time.Second)
	}
}

func (d *deadline) expired(timeout time.Duration, began time.Time) bool {
	lost, trouble := d.watches.now()
	if trouble != nil || !d.awaySince.IsZero() {
		return false
	}
	if !d.refusedAt.IsZero() {
		began = d.refusedAt
	}
	return time.Since(began) >= timeout+max(lost-d.lostThen, d.lost)
}

// trouble says that the API server is away; nil when it isn't.
func (d *deadline) trouble() []string {
	_, err := d.watches.now()
	if err == nil {
		err = d.awayError
	}
	if err == nil {
		return nil
	}
	return []string{unanswered(err)}
}
