package diagnose

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

// parsePEM reads the certificates of a file; the first is the one that is shown, those that signed it follow it there.
func parsePEM(file string, text []byte) []Certificate {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	name := c.Subject.CommonName
	if name == "" {
		name = c.Subject.String()
	}
	return []Certificate{{File: file, Subject: name, From: c.NotBefore, Until: c.NotAfter}}
}

// parseKubeconfig reads client-certificate-data, one line of base64 each.
func parseKubeconfig(file, text string) []Certificate {
	var all []Certificate
	for line := range strings.Lines(text) {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line)); err == nil {
			all = append(all, parsePEM(file, b)...)
		}
	}
	return all
}
