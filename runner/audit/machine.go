package audit

import (
	"context"
	"crypto/x509"
	_ "embed" // the script
	"encoding/base64"
	"encoding/pem"
	"strconv"
	"strings"
	"time"

	"github.com/fleetup/fleetup/playbooks/kubeletconfig"
	"github.com/fleetup/fleetup/runner/parts"
)

//go:embed machine.sh
var machineScript string

// machineTime bounds the whole of it: a package database on a disk that is busy takes a while.
const machineTime = time.Minute

// Look asks a machine what can age or drift on it. run runs a script there as root and returns what it printed. It changes
// nothing there. What the kubelet's files say is for where the API doesn't tell its live configuration: nil where they
// don't tell either.
func Look(ctx context.Context, run func(ctx context.Context, script string) (string, error)) (Machine, *Kubelet, error) {
	out, err := parts.Ask(ctx, run, machineTime, machineScript)
	if err != nil {
		return Machine{}, nil, err
	}
	m, k := parseMachine(out)
	return m, k, nil
}

func parseMachine(out string) (Machine, *Kubelet) {
	m := Machine{Alike: map[string]string{}, Firmware: map[string]string{}}
	var commandLine string
	var main []byte
	var dropins [][]byte
	for _, p := range parts.Split(out) {
		body := strings.TrimSpace(p.Text)
		switch p.Name {
		case "uptime":
			seconds, _ := strconv.ParseInt(body, 10, 64)
			m.Uptime = time.Duration(min(seconds, 1<<32)) * time.Second
		case "kernel":
			m.Alike["kernel"] = body
		case "packages", "sysctl":
			for line := range strings.Lines(body) {
				key, value, ok := strings.Cut(strings.TrimSpace(line), " ")
				if !ok {
					continue
				}
				if p.Name == "sysctl" {
					m.Alike["sysctl "+strings.ReplaceAll(key, "/", ".")] = strings.Join(strings.Fields(value), " ")
				} else {
					m.Alike["package "+key] = value
				}
			}
		case "certificate":
			if end, ok := firstExpiry([]byte(body)); ok {
				m.Certificates = append(m.Certificates, Certificate{p.Of, end})
			}
		case "kubeconfig":
			for line := range strings.Lines(body) {
				text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
				if end, ok := firstExpiry(text); ok && err == nil {
					m.Certificates = append(m.Certificates, Certificate{p.Of, end})
				}
			}
		case "flags":
			commandLine = body
		case "kubelet":
			main = []byte(body)
		case "dropin":
			dropins = append(dropins, []byte(body))
		}
	}
	if len(main)+len(dropins) == 0 || len(kubeletconfig.Outranking(commandLine)) > 0 {
		return m, nil
	}
	k, err := ParseKubeletFiles(main, dropins...)
	if err != nil {
		return m, nil
	}
	return m, &k
}

// firstExpiry is when the first of a file's certificates expires.
func firstExpiry(text []byte) (end time.Time, ok bool) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return end, ok
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil && (!ok || c.NotAfter.Before(end)) {
			end, ok = c.NotAfter, true
		}
	}
}
