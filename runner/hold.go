package runner

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/fleetup/fleetup/runner/hardware"
)

// A node on which hardware work is done is held: closed, turned off and left alone for hours or days, by nobody's process
// and without the lease. What is known of a hold stands in the state of its claim, so that any machine can end it.

// Keys of a claim's state that speak of hardware work.
const (
	factSwapBy       = "swap_by"
	factSwapReason   = "swap_reason"
	factSwapSince    = "swap_since"
	factSwapExpect   = "swap_expect"   // a JSON list
	factSwapHardware = "swap_hardware" // the document as it was, packed
	factSwapUnits    = "swap_units"    // what was enabled
	factSwapOff      = "swap_off"      // since when it is surely off
	factSwapTroubles = "swap_troubles" // why the last finish didn't give it back
	factOutOfService = "swap_out_of_service"
)

// Hold is hardware work on a node, as its claim records it.
type Hold struct {
	Run        string    `json:"run"`
	By         string    `json:"by"`
	Reason     string    `json:"reason"`
	Since      time.Time `json:"since"`
	Off        bool      `json:"off"` // it was seen to be off; until then `swap begin` isn't through
	Expect     []string  `json:"expect,omitempty"`
	Troubles   string    `json:"troubles,omitempty"` // why the last finish kept holding
	OutOfServe bool      `json:"out_of_service,omitempty"`
}

// HoldOf reads a claim's state; false where the node isn't held for hardware work.
func HoldOf(run string, state map[string]string) (Hold, bool) {
	if state[factSwapBy] == "" {
		return Hold{}, false
	}
	h := Hold{
		Run: run, By: state[factSwapBy], Reason: state[factSwapReason], Off: state[factSwapOff] != "",
		Troubles: state[factSwapTroubles], OutOfServe: state[factOutOfService] != "",
	}
	h.Since, _ = time.Parse(time.RFC3339, state[factSwapSince])
	_ = json.Unmarshal([]byte(state[factSwapExpect]), &h.Expect)
	return h, true
}

// heldFacts are those of a claim's state that the journal keeps, for whoever reads it while the cluster is away.
func heldFacts(state map[string]string) map[string]string {
	kept := map[string]string{}
	for _, key := range []string{factSwapBy, factSwapReason, factSwapSince, factSwapExpect, factSwapOff, factSwapTroubles, factOutOfService} {
		if state[key] != "" {
			kept[key] = state[key]
		}
	}
	return kept
}

// HoldIn is the hold of a node as a journal tells it, a run's or that of hardware work; false where the node isn't held by it.
// One by a fleetup that journaled less has neither By nor Reason, and Since is the journal's begin.
func HoldIn(events []Event, p Progress, node string) (Hold, bool) {
	n := p.Nodes[node]
	if n.State != Held && (n.State != Running || !holds[n.Order]) {
		return Hold{}, false
	}
	state := map[string]string{}
	for _, e := range events {
		if e.Node == node && e.Data[factSwapBy] != "" {
			state = e.Data
		}
	}
	h, told := HoldOf(p.Run, state)
	if !told {
		h = Hold{Run: p.Run, Since: p.Started}
		h.Off = n.State == Held && n.Why == "" || n.Order != OrderSwapBegin
	}
	return h, true
}

// String tells who holds the node, why, and since when.
func (h Hold) String() string {
	by := ""
	if h.By != "" {
		by = " by " + h.By
	}
	text := fmt.Sprintf("held for hardware work%s since %s", by, h.Since.UTC().Format("2006-01-02 15:04 UTC"))
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

// pack writes a hardware document so that it fits into an annotation: a large machine's is 60 KiB of JSON, and 5 packed.
func pack(d hardware.Document) (string, error) {
	b, err := json.Marshal(d)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	return base64.StdEncoding.EncodeToString(out.Bytes()), err
}

// mostUnpacked bounds what an annotation may unpack to.
const mostUnpacked = 8 << 20

func unpack(s string) (d hardware.Document, err error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(b)), mostUnpacked))
	}
	if err == nil {
		err = json.Unmarshal(b, &d)
	}
	if err != nil {
		return d, fmt.Errorf("what was recorded of the hardware can't be read: %w", err)
	}
	return d, nil
}
