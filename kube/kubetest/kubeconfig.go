package kubetest

import (
	"fmt"
	"os"
)

// Kubeconfig returns a kubeconfig for the administrator, with an address that only Dial reaches.
func (s *Server) Kubeconfig() []byte { return kubeconfig("http://kubetest") }

// WriteKubeconfig writes a kubeconfig for the administrator of the server that listens at url.
func (s *Server) WriteKubeconfig(path, url string) error {
	if err := os.WriteFile(path, kubeconfig(url), 0o600); err != nil {
		return fmt.Errorf("kubetest: write kubeconfig: %w", err)
	}
	return nil
}

func kubeconfig(url string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: kubetest
clusters: [{name: kubetest, cluster: {server: %q}}]
users: [{name: admin, user: {token: %q}}]
contexts: [{name: kubetest, context: {cluster: kubetest, user: admin}}]
`, url, adminToken)
}
