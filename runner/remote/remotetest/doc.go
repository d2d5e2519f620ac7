// Package remotetest is a bare-metal machine in a process: a real SSH and SFTP server whose commands run in a real
// shell, over a disk in memory, with Go functions as its programs. Scripts that fleetup sends to machines really run, on a
// laptop, and harm nothing: no file, program or socket of the real system can be reached from them.
//
//	m, err := remotetest.New(remotetest.Options{Name: "node1", AuthorizedKeys: []ssh.PublicKey{key}})
//	defer m.Close()
//	conn, err := m.Dial(ctx, "tcp", "10.0.0.1:22") // then ssh.NewClientConn; or m.Serve(listener) for real sockets
//
// It works inside a testing/synctest bubble, where an installation of two minutes takes none, provided that the machine
// was made in the bubble and is closed before it ends. Several machines make a Network, whose Dial connects by address, and
// whose machines forward connections to one another as jump hosts do.
//
// The machine has systemd's services (kubelet, containerd), apt and dpkg or dnf and rpm, with package sources whose URLs
// lead to a Repo, users with and without sudo, kernels, and boots: a reboot kills what runs, empties /run, makes a
// new boot id, runs the kernel that GRUB chooses, and starts what is enabled. Faults are methods: Drop, Freeze, FailBoot,
// PowerOff, BreakService, HoldDpkgLock, FillDisk, ReplaceHostKey. What ran is in Log.
package remotetest
