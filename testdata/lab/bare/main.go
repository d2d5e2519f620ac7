// Command bare is what fleetup's exec is measured against: x/crypto/ssh and no more. It logs in to each address, 64 at once,
// and runs `true`: no configuration, one key, one known host key.
package main

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

func main() {
	user := flag.String("user", "", "to log in as")
	keyFile := flag.String("key", "", "private key")
	hostKey := flag.String("host-key", "", "the key of all addresses, as in authorized_keys")
	flag.Parse()
	config, err := configure(*user, *keyFile, *hostKey)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if failed := all(config, flag.Args()); failed > 0 {
		fmt.Fprintln(os.Stderr, failed, "failed")
		os.Exit(1)
	}
}

func configure(user, keyFile, hostKey string) (*ssh.ClientConfig, error) {
	private, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return nil, err
	}
	known, _, _, _, err := ssh.ParseAuthorizedKey([]byte(hostKey))
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(known), Timeout: 10 * time.Second,
	}, nil
}

// all returns how many addresses failed.
func all(config *ssh.ClientConfig, addresses []string) (failed int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, 64)
	for _, address := range addresses {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := one(config, address); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed++
				fmt.Fprintln(os.Stderr, address, err)
			}
		})
	}
	wg.Wait()
	return failed
}

func one(config *ssh.ClientConfig, address string) error {
	client, err := ssh.Dial("tcp", address, config)
	if err != nil {
		return err
	}
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	return session.Run("true")
}
