// Package hardware writes down what a machine is made of, and says exactly what is different afterwards.
//
//	d, err := hardware.Gather(ctx, m.Run)     // one script over SSH, as root, within a minute
//	diffs := hardware.Compare(before, after)  // "DIMM A1 (32 GiB, serial 40D5C1A1) is missing"
//	want, err := hardware.ParseExpect("disk +1")
//	v := hardware.Judge(before, after, diffs, want)   // what nobody expected, and what was expected and isn't there
//
// A Document is gathered from dmidecode, lsblk, smartctl, nvme, ethtool, lspci, /proc and /sys. Each of them is optional:
// what a machine doesn't have is named in Gaps, and what one of them alone knows is then empty. Parsers are pure, take
// whatever they are given, and never fail: what makes no sense to them is left out.
package hardware
