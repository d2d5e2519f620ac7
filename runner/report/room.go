package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// A page for a thousand nodes stays under two megabytes, whatever was said on the way: a browser holds it without effort, and
// a mail takes it. What is too long is cut, says so, and stands whole in the journal and in --output json.

// mostBytes is how large a page gets for each thousand nodes begun.
const mostBytes = 2_000_000

// room is how much of what may be long a page has room for; 0: all.
type room struct {
	text   int  // bytes of one text
	list   int  // entries of a list of one node; of the whole run more
	points int  // of a chart
	brief  bool // phases are told by the timeline alone
}

// rooms are tried in this order until the page is small enough. The last one takes what there is.
var rooms = []room{{}, {2000, 60, 500, false}, {500, 20, 250, false}, {200, 8, 120, false}, {120, 4, 60, true}, {60, 2, 30, true}, {60, 1, 15, true}}

// ofRun is how many entries a list of the whole run has; a list of one node has list.
const ofRun = 25

// fitted writes the page with as much room as it may take.
func (r Report) fitted(w io.Writer, policy, script string) error {
	most := mostBytes * (1 + (len(r.Nodes)-1)/1000)
	var b bytes.Buffer
	for i, room := range rooms {
		b.Reset()
		bounded := bounded{&b, most}
		if i == len(rooms)-1 {
			bounded.most = math.MaxInt
		}
		p := &page{w: bounded, room: room}
		if r.page(p, policy, script); !errors.Is(p.err, errFull) {
			break
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

var errFull = errors.New("there is no more room")

// bounded takes so many bytes at most.
type bounded struct {
	*bytes.Buffer
	most int
}

func (b bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, errFull
	}
	return b.Buffer.Write(p)
}

// long is a text that may be long, as markup.
func (p *page) long(s string) string {
	if p.room.text == 0 || len(s) <= p.room.text {
		return text(s)
	}
	end := p.room.text
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	p.cut = true
	return text(s[:end]) + fmt.Sprintf("… (%d bytes more)", len(s)-end)
}

// most is how many of n entries there is room for, times as many as of one node's.
func (p *page) most(n, times int) int {
	if p.room.list == 0 || n <= p.room.list*times {
		return n
	}
	p.cut = true
	return p.room.list * times
}

// more tells of entries that there was no room for.
func (p *page) more(shown, of int, format string) {
	if shown < of {
		p.printf(format, fmt.Sprintf("and %d more", of-shown))
	}
}
