package hardware

import (
	"cmp"
	"strings"
)

// kernelSocket begins a socket's name where the kernel gave it.
const kernelSocket = "socket "

// parseCPUInfo reads /proc/cpuinfo: a socket for each "physical id", or one where the kernel knows none (VMs, Arm).
func parseCPUInfo(text string) []CPU {
	var order []string
	sockets := map[string]*CPU{}
	current := "0"
	var model string
	threads := 0
	flush := func() {
		if threads == 0 {
			return
		}
		if sockets[current] == nil {
			sockets[current] = &CPU{Socket: kernelSocket + current, Model: model}
			order = append(order, current)
		}
		sockets[current].Threads++
	}
	cores := map[string]int{}
	for line := range strings.Lines(text) {
		k, v, _ := strings.Cut(line, ":")
		switch k, v = strings.TrimSpace(k), strings.TrimSpace(v); k {
		case "processor":
			flush()
			threads, current = threads+1, "0"
		case "physical id":
			current = v
		case "model name", "CPU part":
			model = cmp.Or(squeeze(v), model)
		case "cpu cores":
			cores[current] = number(v)
		}
	}
	flush()
	var cpus []CPU
	for _, id := range order {
		sockets[id].Cores = cores[id]
		cpus = append(cpus, *sockets[id])
	}
	return cpus
}

// parseMemTotal reads "MemTotal: 16384000 kB".
func parseMemTotal(text string) int64 { return size(fields(text)["MemTotal"]) }

// parseEDAC adds up the counters of all memory controllers.
func parseEDAC(text string) (corrected, uncorrected int) {
	for file, n := range fields(text) {
		switch {
		case strings.HasSuffix(file, "/ce_count"):
			corrected += number(n)
		case strings.HasSuffix(file, "/ue_count"):
			uncorrected += number(n)
		}
	}
	return corrected, uncorrected
}
