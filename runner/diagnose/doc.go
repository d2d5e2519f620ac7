// Package diagnose looks into machines that run: what is wrong with each now, with the evidence, and the numbers below.
//
//	raw, err := diagnose.Ask(ctx, m.Run, diagnose.Questions{Peers: peers})   // one script over SSH, as root, some 1.5 s
//	look := diagnose.Parse(raw, since)                                       // numbers
//	list := diagnose.Judge("n1", look, limits, now)                          // findings, by the thresholds
//	list = diagnose.JudgeCluster(cluster, nodes, whole, limits, now)         // and those that the API knows of
//
// One script reads /proc, /sys, the logs and the node's own tools, twice where a rate is wanted, and changes nothing.
// Parse reads what it printed: parsers are pure, take whatever they are given, and never fail; what a machine can't tell
// is named in Look.Gaps. Judge is pure too: each rule compares numbers with Thresholds, which stand in thresholds.toml
// with the reason of each, and may be replaced one by one.
//
// What one sample can't tell from a moment's work is held against pressure averages and load, which know the minutes
// before: a finding speaks of what has lasted.
package diagnose
