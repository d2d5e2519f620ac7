package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fleetup/fleetup/kube"
)

// storageOn says which storage lives on the node: it misses a part from the moment the machine is off.
func storageOn(d kube.Drain) []string {
	var all []string
	seen := map[string]bool{}
	for _, p := range append(append([]kube.PodVerdict{}, d.Evict...), d.Skip...) {
		for part, system := range map[string]string{
			"ceph-osd": "Ceph (an OSD lives on its disks; `ceph osd set noout` keeps it from rebuilding)", "instance-manager": "Longhorn (replicas live on its disks)",
			"linstor": "LINSTOR", "openebs": "OpenEBS", "glusterfs": "GlusterFS", "portworx": "Portworx",
		} {
			if strings.Contains(p.Name, part) && !seen[system] {
				seen[system] = true
				all = append(all, "storage will miss this node, and starts to rebuild before long: "+system)
			}
		}
	}
	return all
}

// mostLayers bounds how deep interfaces lie on each other: a bridge on a VLAN on a bond on cards.
const mostLayers = 8

// cardsUnder are the cards that an interface lies on, "eno1 (bond0)", or the interface itself.
func cardsUnder(name string, under map[string][]string, layer int) []string {
	var all []string
	for _, lower := range under[name] {
		if layer < mostLayers {
			all = append(all, cardsUnder(lower, under, layer+1)...)
		}
	}
	switch {
	case len(all) == 0:
		return []string{name}
	case layer == 0:
		all[len(all)-1] += " (" + name + ")"
	}
	return all
}

// certificateTime is how long a kubelet's client certificate must last beyond the beginning, for a hold of some days.
const certificateTime = 7 * 24 * time.Hour

// askMachine says what the machine itself knows of its absence; best effort.
func (w *swapping) askMachine(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	volumes := w.s.cluster.OwnVolumes(w.host.Node)
	out, err := w.s.machines[w.host.Node].Run(ctx, foretellScript+askStorage(volumes)+"exit 0\n")
	if err != nil {
		return []string{"the machine could not be asked: " + brief(w.host.Name, err.Error())}
	}
	n, _ := w.s.cluster.Node(w.host.Node)
	all := foretold(out, append(n.Addresses, w.host.Address), time.Now())
	for _, b := range bearings(out, volumes) {
		all = append(all, b.String())
	}
	return append(all, unplaced(out, volumes)...)
}

// foretellScript prints addresses by network interface, which ones a bond, a VLAN or a bridge lies on, and the kubelet's client
// certificate without its key.
const foretellScript = `ip -o addr show 2>/dev/null
for lower in /sys/class/net/*/lower_*; do
	[ -e "$lower" ] || continue
	over=${lower%/*}
	for real in "$lower/device" "$lower"/lower_*; do # or it is a pod's end of a bridge
		if [ -e "$real" ]; then echo "under ${over##*/} ${lower##*/lower_}"; break; fi
	done
done
sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p' /var/lib/kubelet/pki/kubelet-client-current.pem 2>/dev/null
`

// foretold reads what the script printed; addresses are those of the node.
func foretold(out string, addresses []string, now time.Time) []string {
	var all, bear []string
	under := map[string][]string{}
	for line := range strings.Lines(out) {
		f := strings.Fields(line) // "2: eno1    inet 10.0.0.11/24 brd …", "under bond0 eno1"
		switch {
		case len(f) == 3 && f[0] == "under":
			under[f[1]] = append(under[f[1]], f[2])
		case len(f) > 3 && strings.HasPrefix(f[2], "inet"):
			if ip, _, _ := strings.Cut(f[3], "/"); slices.Contains(addresses, ip) && !slices.Contains(bear, f[1]) {
				bear = append(bear, f[1])
			}
		}
	}
	for _, name := range bear {
		all = append(all, fmt.Sprintf("network card %s carries the node's address: with another one in its place it can't be reached", strings.Join(cardsUnder(name, under, 0), ", ")))
	}
	for rest := []byte(out); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil && c.NotAfter.Before(now.Add(certificateTime)) {
			all = append(all, fmt.Sprintf("the kubelet's certificate ends on %s: after that the node can't come back by itself, but has to join anew", c.NotAfter.UTC().Format("2006-01-02 15:04 UTC")))
		}
	}
}
