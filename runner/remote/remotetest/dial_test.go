package remotetest

import (
	"context"
	"net"

	"golang.org/x/crypto/ssh"
)

type netConn = net.Conn

// dialSSH logs in over a connection that dial makes.
func dialSSH(dial dialer, m *Machine, user string, key ssh.Signer) (*ssh.Client, error) {
	conn, err := dial(context.Background(), "tcp", "10.0.0.1:22")
	if err != nil {
		return nil, err
	}
	config := &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: ssh.FixedHostKey(m.HostKey())}
	c, channels, requests, err := ssh.NewClientConn(conn, "10.0.0.1:22", config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}
