package lab

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Prometheus starts Debian's Prometheus in the lab's network, which scrapes target ("ADDRESS:PORT") every second, and returns
// its address once it answers. stop kills it; the lab's end does too.
func (l *Lab) Prometheus(target string) (url string, stop func()) {
	dir, err := prometheusDir()
	if err != nil {
		l.fail("lab: prometheus: %v", err)
	}
	config := filepath.Join(l.Dir, "prometheus.yml")
	text := fmt.Sprintf("global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n- job_name: shop\n  static_configs: [{ targets: [%q] }]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		l.fail("lab: prometheus: %v", err)
	}
	address := apiHost + ":9090"
	p, err := l.spawn("prometheus", filepath.Join(l.Dir, "prometheus.log"), nil, filepath.Join(dir, "usr/bin/prometheus"), "--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(l.Dir, "prometheus"), "--web.listen-address="+address)
	if err != nil {
		l.fail("lab: prometheus: %v", err)
	}
	url = "http://" + address
	client := http.Client{Transport: &http.Transport{DialContext: l.DialContext, DisableKeepAlives: true}, Timeout: time.Second}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		res, err := client.Get(url + "/-/ready")
		if err == nil {
			res.Body.Close()
		}
		if err == nil && res.StatusCode == http.StatusOK {
			return url, func() { _ = p.cmd.Process.Kill(); <-p.done }
		}
		if time.Now().After(end) {
			l.fail("lab: prometheus isn't ready: %v", err)
		}
	}
}

// prometheusDir holds the package's files; they are fetched once.
func prometheusDir() (string, error) {
	dir := filepath.Join(cacheDir(), "prometheus")
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fresh, err := os.MkdirTemp(cacheDir(), ".new-prometheus-")
	if err != nil {
		return "", err
	}
	if err := run(exec.Command(filepath.Join(sourceDir(), "images", "prometheus.sh"), fresh)); err != nil {
		return "", err
	}
	return dir, os.Rename(fresh, dir)
}

// Promtool runs Debian's promtool, which knows what Prometheus makes of a query, and returns what it printed. It needs no lab.
func Promtool(args ...string) (out string, err error) {
	dir, err := prometheusDir()
	if err != nil {
		return "", err
	}
	text, err := exec.Command(filepath.Join(dir, "usr/bin/promtool"), args...).CombinedOutput()
	return string(text), err
}
