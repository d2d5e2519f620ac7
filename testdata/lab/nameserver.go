package lab

import (
	"net"
	"os/exec"
)

// Codes of a name server's answers (RFC 1035, 4.1.1).
const (
	NoSuchName = 3
	Refused    = 5
)

// NameServer answers every DNS question in the lab's network by one code and nothing else, at an address that it gets for that, until
// the lab ends.
func (l *Lab) NameServer(address string, code byte) {
	// "File exists" is as good; that it has the address at all is seen by listening.
	_ = run(exec.CommandContext(l.ctx, "ip", "-n", l.Namespace, "address", "add", address+"/32", "dev", bridge))
	var server net.PacketConn
	err := l.inside(func() (err error) {
		server, err = net.ListenPacket("udp", net.JoinHostPort(address, "53"))
		return err
	})
	if err != nil {
		l.fail("lab: name server: %v", err)
	}
	l.owned.Go(func() {
		<-l.ctx.Done()
		server.Close()
	})
	l.owned.Go(func() {
		for b := make([]byte, 512); ; {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if n >= 12 {
				b[2], b[3] = 0x81, 0x80|code // an answer, recursion was wanted and is available
				_, _ = server.WriteTo(b[:n], from)
			}
		}
	})
}
