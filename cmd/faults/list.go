package main

// fault is one that has happened to somebody.
type fault struct {
	what  string
	parts []part // of it that are only shown where tests of these names passed too
}

// part is one side of a fault that hangs on a feature of its own: rollback, swap, a BMC. It counts as shown as soon as a
// test whose name begins so is there and passes.
type part struct{ test, what string }

// faults are numbered from 1.
var faults = []fault{
	{what: "runner killed around every journal write and every effect"},
	{what: "journal's last line torn, or cut at any byte"},
	{what: "journal's disk full"},
	{what: "new journal lost for want of a directory fsync"},
	{what: "two runners at once"},
	{what: "lease lost in mid-step"},
	{what: "lease of a holder long gone"},
	{what: "runner's own pod or jump host is on a node of the run"},
	{what: "API refused or slow for minutes in mid-drain"},
	{what: "429 storms, Retry-After"},
	{what: "two PDBs on one pod"},
	{what: "watch ends, 410 Gone, stale cache"},
	{what: "PDB that never allows; crash-looping pods that hold a budget"},
	{what: "pod Terminating for ever, a finalizer"},
	{what: "a StatefulSet pod comes back under its name"},
	{what: "drain fails: the cordon is given back or kept, as told"},
	{what: "a human's cordon"},
	{what: "another controller uncordons in between"},
	{what: "SSH drops in mid-dpkg"},
	{what: "interrupted dpkg found on arrival"},
	{what: "dpkg lock held"},
	{what: "needrestart, debconf or conffile prompt"},
	{what: "/boot or /var full"},
	{what: "\"rebooted\" before it happened"},
	{what: "the old kernel comes back"},
	{what: "pam_nologin window after boot"},
	{what: "new host key", parts: []part{{"TestFault27Swap", "swap finish, which accepts one"}}},
	{what: "node never returns", parts: []part{{"TestFault28HungKernel", "asking its BMC"}}},
	{what: "clock wrong"},
	{what: "kubelet crash-loops after the upgrade", parts: []part{{"TestFault30Rollback", "rollback of the version"}}},
	{what: "kubelet newer than the oldest API server"},
	{what: "etcd quorum"},
	{what: "wrong sudo password"},
	{what: "upload cut in the middle"},
	{what: "jump host dies, half-open connection"},
	{what: "sshd's limits"},
	{what: "a background child keeps stdout open"},
	{what: "hostile strings"},
	{what: "API credentials without a right"},
	{what: "the machine comes back with less", parts: []part{{"TestFault40Swap", "swap, which compares disks and links too"}}},
}
