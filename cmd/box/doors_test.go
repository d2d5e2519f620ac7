package box

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fleetup/fleetup/kube/kubetest"
)

// With doors, another process finds machines, BMCs and API server at the addresses that the box's files name.
func TestDoors(t *testing.T) {
	b, err := New(t.Context(), t.TempDir(), Options{Nodes: Workers(2), Cluster: kubetest.Config{Seed: 1}, BMC: true, Doors: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	head := b.Head()
	at := regexp.MustCompile(`address = "(127\.0\.0\.1)", port = (\d+)`).FindAllStringSubmatch(head, -1)
	if len(at) != 2 {
		t.Fatalf("two machines have two doors:\n%s", head)
	}
	address := net.JoinHostPort(at[1][1], at[1][2])
	known, err := knownhosts.New(filepath.Join(b.Dir, "known_hosts"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := ssh.Dial("tcp", address, &ssh.ClientConfig{User: "ops", Auth: []ssh.AuthMethod{ssh.PublicKeys(b.key)}, HostKeyCallback: known})
	if err != nil {
		t.Fatal(err)
	}
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if name, err := session.Output("hostname"); err != nil || strings.TrimSpace(string(name)) != "n2" {
		t.Errorf("%s %v", name, err)
	}
	kubeconfig, err := os.ReadFile(filepath.Join(b.Dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	api := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(string(kubeconfig))
	answer, err := http.Get(api + "/version")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if bmc := regexp.MustCompile(`type = "redfish", address = "(127\.0\.0\.1:\d+)"`).FindStringSubmatch(head); bmc == nil {
		t.Errorf("no BMC behind a door in\n%s", head)
	} else if conn, err := net.Dial("tcp", bmc[1]); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}

	b.Machines["n2"].PowerOff() // the door is still there, and nobody at home
	if err := client.Wait(); err == nil {
		t.Error("a connection to a machine that is off")
	}
	b.Close()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("a door of a box that is closed")
	}
}
