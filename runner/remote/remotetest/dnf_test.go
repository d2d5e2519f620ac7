package remotetest

import (
	"testing"

	"golang.org/x/crypto/ssh"
)

func TestDNF(t *testing.T) {
	box(t, Options{Distro: "redhat", Kernel: "5.14.0-570.el9.x86_64"}, func(t *testing.T, m *Machine, login func(string) *ssh.Client) {
		c := login("root")
		for _, tt := range []struct{ command, out string }{
			{"command -v apt-get || command -v dnf", "/usr/bin/dnf\n"},
			{`rpm -q --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\t%{ARCH}\n' kubelet`, "kubelet\t0:1.36.4-150500.1.1\tx86_64\n"},
			{"dnf -q versionlock add kubelet; cat /etc/dnf/plugins/versionlock.list", "kubelet-0:1.36.4-150500.1.1.*\n"},
			{"dnf -q versionlock delete kubelet; grep -c kubelet /etc/dnf/plugins/versionlock.list", "0\n"},
			{"sed -i s/v1.36/v1.37/ /etc/yum.repos.d/kubernetes.repo; dnf -q -C --showduplicates repoquery --qf '%{name} | %{epoch}:%{version}-%{release} | %{repoid}' kubelet", "kubelet | 0:1.37.2-150500.1.1 | kubernetes\nkubelet | 0:1.37.1-150500.1.1 | kubernetes\n"},
			{"dnf -q -y install kubelet-1.37.2-150500.1.1 >/dev/null; kubelet --version", "Kubernetes v1.37.2\n"},
			{"needs-restarting -r >/dev/null; echo $?", "0\n"},
			{"dnf -q -y download --destdir=/tmp kubelet-1.37.1-150500.1.1.x86_64; ls /tmp/*.rpm; dnf -q -y downgrade /tmp/*.rpm >/dev/null; kubelet --version", "/tmp/kubelet-1.37.1-150500.1.1.x86_64.rpm\nKubernetes v1.37.1\n"},
		} {
			if out, errs, _ := run(t, c, tt.command, ""); out != tt.out {
				t.Errorf("%s\n got %q (%q)\nwant %q", tt.command, out, errs, tt.out)
			}
		}
	})
}
