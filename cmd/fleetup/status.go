package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fleetup/fleetup/inventory"
	"github.com/fleetup/fleetup/kube"
	"github.com/fleetup/fleetup/runner"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status INVENTORY",
		Short: "Where every node stands, from the cluster and the journal",
		Example: `  fleetup status prod.toml
  watch -n 5 fleetup status prod.toml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.status(c.Context(), args[0]) },
	}
}

// standing is what status tells.
type standing struct {
	Version int          `json:"version"`
	Run     string       `json:"run,omitempty"`
	State   string       `json:"state"` // of the run: none, running, unfinished, halted, finished
	Why     string       `json:"why,omitempty"`
	Holder  string       `json:"holder,omitempty"`
	From    []string     `json:"from"` // cluster, journal: what could be read
	Nodes   []nodeStands `json:"nodes"`
}

type nodeStands struct {
	Node    string `json:"node"`
	Cluster string `json:"cluster,omitempty"` // Ready, NotReady, cordoned, …
	Kubelet string `json:"kubelet,omitempty"`
	Run     string `json:"run,omitempty"` // waiting, running, parked, done, …
	Why     string `json:"why,omitempty"`
	// Hold is hardware work that the node is held for.
	Hold *runner.Hold `json:"hold,omitempty"`
}

func (a *app) status(ctx context.Context, path string) error {
	f, hosts, err := a.load(path, needs{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st := standing{Version: 1, State: "none", From: []string{}}
	k, kerr := a.openCluster(ctx, f, account{})
	uid := ""
	if kerr == nil {
		defer func() { cancel(); k.Wait(); k.Close() }()
		uid, kerr = k.UID(ctx)
	}
	p, ok := a.journaled(f, uid, &st)
	var nodes map[string]kube.Node
	if kerr == nil {
		st.From = append(st.From, "cluster")
		nodes = k.Nodes()
		st.lease(ctx, k, f.Name)
	}
	var holds map[string]runner.Hold
	if kerr != nil {
		holds = a.journaledHolds(f, hosts)
	}
	if kerr != nil && !ok && len(holds) == 0 {
		dir, _ := a.stateDir(f.Name)
		return fmt.Errorf("there is no journal here (%s), and %w", dir, kerr)
	}
	if len(st.From) == 0 {
		st.From = append(st.From, "journal")
	}
	for _, h := range hosts {
		s := stands(h, nodes, p, st.State == "running")
		if kerr == nil {
			s.held(runner.HoldOf(nodes[h.Node].Run, nodes[h.Node].State))
		} else if hold, held := holds[h.Node]; held {
			s.held(hold, true)
		} else if s.Run == string(runner.Held) { // `fleetup swap finish` gave it back since
			s.Run, s.Why = string(runner.Done), ""
		}
		st.Nodes = append(st.Nodes, s)
	}
	if kerr != nil {
		fmt.Fprintf(paper(a.err), "note: from the journal alone: %v\n", kerr)
	}
	return a.showStatus(st)
}

// journaled reads the newest journal of the inventory, without taking it from a run that writes it. uid is the cluster's, ""
// while it is away.
func (a *app) journaled(f *inventory.Fleet, uid string, st *standing) (runner.Progress, bool) {
	dir, err := a.stateDir(f.Name)
	if err != nil {
		return runner.Progress{}, false
	}
	path, ok := runner.Latest(dir)
	if !ok {
		return runner.Progress{}, false
	}
	_, p, _, err := runner.ReadJournal(path)
	if err != nil {
		fmt.Fprintf(paper(a.err), "note: %v\n", err)
		return runner.Progress{}, false
	}
	if p.Seq == 0 { // nothing had begun
		return runner.Progress{}, false
	}
	if err := foreign(path, p, uid); err != nil && uid != "" {
		fmt.Fprintf(paper(a.err), "note: %v\n", err)
		return runner.Progress{}, false
	}
	st.From = append(st.From, "journal")
	st.Run, st.Why = p.Run, p.Halted
	switch {
	case p.Finished:
		st.State = "finished"
	case p.Halted != "":
		st.State = "halted"
	default:
		st.State = "unfinished"
	}
	return p, true
}

// journaledHolds are the nodes that the journals here call held for hardware work: that of the work itself decides, the
// newest first, unless a later run has taken the node off since.
func (a *app) journaledHolds(f *inventory.Fleet, hosts []inventory.Host) map[string]runner.Hold {
	dir, err := a.stateDir(f.Name)
	if err != nil {
		return nil
	}
	holds, decided := map[string]runner.Hold{}, map[string]string{} // decided: by which run's journal
	read := func(path string, work bool) error {
		events, p, _, err := runner.ReadJournal(path)
		for _, h := range hosts {
			_, told := p.Nodes[h.Node]
			hold, held := runner.HoldIn(events, p, h.Node)
			if !told || decided[h.Node] >= p.Run || !held && !work { // other runs pass a held node over
				continue
			}
			decided[h.Node] = p.Run
			if held {
				holds[h.Node] = hold
			}
		}
		return err
	}
	for _, path := range runner.Journals(filepath.Join(dir, swapDir)) {
		if err := read(path, true); err != nil {
			fmt.Fprintf(paper(a.err), "note: %v\n", err)
		}
	}
	if path, ok := runner.Latest(dir); ok {
		_ = read(path, false) // journaled has told what is wrong with it
	}
	return holds
}

// lease adds what the Lease says: it outranks the journal. What it says of another inventory's run isn't ours.
func (st *standing) lease(ctx context.Context, k *kube.Cluster, name string) {
	l, err := k.Lease(ctx)
	if err != nil {
		return
	}
	l = l.Of(name)
	lifted := l.Halt == "" && l.Holder.Identity == "" && l.Holder.Run == st.Run // a process that was killed may not have come to write it there
	if lifted && st.State == "halted" {
		st.State, st.Why = "unfinished", ""
	}
	if l.Holder.Run != "" {
		st.Run = l.Holder.Run
		if st.State == "none" || st.State == "finished" {
			st.State = "unfinished"
		}
	}
	if l.Halt != "" {
		st.State, st.Why = "halted", l.Halt
	}
	if underWay(l) {
		st.State, st.Holder = "running", l.Holder.User+" on "+l.Holder.Where()
	}
	if l.Paused != "" {
		st.Why = "paused: " + l.Paused
	}
}

// stands puts together what the cluster and the journal say of one node.
// live says that a process carries the run on.
func stands(h inventory.Host, nodes map[string]kube.Node, p runner.Progress, live bool) nodeStands {
	s := nodeStands{Node: h.Node}
	if n, ok := nodes[h.Node]; ok {
		s.Kubelet, s.Cluster = n.KubeletVersion, inWords(n)
		s.Why = n.Failed
	} else if nodes != nil {
		s.Cluster = "not in the cluster"
	}
	if np, ok := p.Nodes[h.Node]; ok && (!p.Finished || nodes == nil) {
		s.Run = string(np.State)
		switch {
		case np.Back == "":
		case np.State == runner.Failed:
			s.Run += ": went back"
		case np.State == runner.Waiting && np.Order == runner.OrderRollBack:
			s.Run = "went back"
		}
		if np.State == runner.Running {
			s.Run = midway(np, nodes == nil || live)
		}
		if s.Why == "" {
			s.Why = np.Why
		}
	}
	return s
}

// midway says how far an order on a node is, which only goes on while a process carries it on.
func midway(n runner.NodeProgress, live bool) string {
	word := string(n.State)
	if !live {
		word = "parked"
	}
	if n.Phase != "" {
		word += ": " + n.Phase
	}
	return word
}

// held says that the node is held for hardware work: by whom, why, since when, and how far that is.
func (s *nodeStands) held(h runner.Hold, held bool) {
	if !held {
		return
	}
	s.Hold, s.Run, s.Why = &h, "held", h.String()
	switch {
	case h.Troubles != "":
		s.Why += "; not given back, as " + inOneLine(h.Troubles)
	case !h.Off:
		s.Run, s.Why = "being held", s.Why+"; not off yet: `fleetup swap begin INVENTORY "+s.Node+"` goes on, `fleetup swap cancel INVENTORY "+s.Node+"` gives it back"
	}
}

// inOneLine has a list that stands under its heading behind it.
func inOneLine(list string) string {
	return strings.ReplaceAll(strings.ReplaceAll(list, ":\n", ": "), "\n", "; ")
}

// inWords is what kubectl get nodes would say, and who closed the node.
func inWords(n kube.Node) string {
	words := []string{"Ready"}
	if !n.Ready {
		words[0] = "NotReady"
	}
	if n.Unschedulable {
		words = append(words, "cordoned")
	}
	if _, held := runner.HoldOf(n.Run, n.State); held {
		words = append(words, "held")
	} else if n.Run != "" {
		words = append(words, "claimed by "+n.Run)
	}
	if n.Failed != "" {
		words = append(words, "failed")
	}
	if n.Stray != "" {
		words = append(words, "tainted by "+n.Stray+" without a claim")
	}
	return strings.Join(words, ", ")
}

func (a *app) showStatus(st standing) error {
	if a.json() {
		return json.NewEncoder(a.out).Encode(st)
	}
	if st.Run == "" {
		fmt.Fprintf(paper(a.out), "no run is known%s\n", because(st))
	} else {
		fmt.Fprintf(paper(a.out), "run %s: %s%s\n", st.Run, st.State, because(st))
	}
	var rows [][]string
	for _, n := range st.Nodes {
		where := n.Cluster
		if st.Run != "" { // which was just named
			where = strings.ReplaceAll(where, "claimed by "+st.Run, "claimed")
		}
		rows = append(rows, []string{n.Node, where, n.Kubelet, n.Run, firstLine(n.Why)})
	}
	fmt.Fprint(a.out, table(rows, columns(a.out)))
	fmt.Fprintf(paper(a.out), "(from the %s)\n", strings.Join(st.From, " and the "))
	return nil
}

func because(st standing) string {
	text := ""
	if st.Holder != "" {
		text += " (by " + st.Holder + ")"
	}
	if st.Why != "" {
		text += ": " + st.Why
	}
	if strings.HasPrefix(st.Why, "paused: ") {
		text += "; `fleetup resume INVENTORY` goes on"
	}
	return text
}

func firstLine(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return first
}
