package inventory

import (
	"slices"
	"strings"
)

// legacyAlgorithms are those of SSH that are no longer safe and may be allowed by their name: what OpenSSH up to 7 and
// the cards of old machines speak. Anything worse (RC4, DES, MD5) is not to be had.
var legacyAlgorithms = []string{
	"diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1",
	"aes128-cbc", "3des-cbc",
	"hmac-sha1", "hmac-sha1-96",
	"ssh-rsa", "ssh-dss",
}

// legacy is a list of legacyAlgorithms.
func (t *table) legacy(name string) ([]string, bool) {
	list, ok := t.strings(name)
	for i, algorithm := range list {
		switch {
		case slices.Contains(list[:i], algorithm):
			t.bad(name, "%q stands here twice", algorithm)
		case slices.Contains(legacyAlgorithms, algorithm):
			continue
		default:
			t.bad(name, "%q is no algorithm that can be allowed here; those are %s", algorithm, strings.Join(legacyAlgorithms, ", "))
		}
		ok = false
	}
	return list, ok
}
