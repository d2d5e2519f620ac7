package remote

import (
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// knownCases is the table: one row for each rule of known_hosts that somebody's file leans on.
func knownCases(p *pki) []knownCase {
	all := plainCases(p)
	all = append(all, patternCases(p)...)
	all = append(all, brokenCases(p)...)
	all = append(all, fileCases(p)...)
	all = append(all, algorithmCases(p)...)
	return append(all, authorityCases(p)...)
}

func of(s ssh.Signer) string { return keyLine(s.PublicKey()) }

func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }

func plainCases(p *pki) []knownCase {
	a, b := of(p.a), of(p.b)
	shows := []ssh.Signer{p.a}
	return []knownCase{
		{name: "plain", shows: shows, first: lines("n1 " + a)},
		{name: "empty file", shows: shows, want: "unknown"},
		{name: "another host", shows: shows, first: lines("n2 " + a), want: "unknown"},
		{name: "a name that begins the same", shows: shows, first: lines("n11 "+a, "n "+a), want: "unknown"},
		{name: "changed", shows: shows, first: lines("n1 " + b), want: "changed"},
		{name: "an old and the new key", shows: shows, first: lines("n1 "+b, "n1 "+a)},
		{name: "several names", shows: shows, first: lines("n2,n1,10.0.0.1 " + a)},
		{name: "upper case in the file", shows: shows, first: lines("N1 " + a)},
		{name: "upper case on the command line", host: "N1", shows: shows, first: lines("n1 " + a)},
		{name: "IPv4", host: "10.0.0.1", shows: shows, first: lines("10.0.0.1 " + a)},
		{name: "IPv4 is not the name", host: "10.0.0.1", shows: shows, first: lines("n1 " + a), want: "unknown"},
		{name: "IPv6", host: "::1", shows: shows, first: lines("::1 " + a)},
		{name: "IPv6 with a port", host: "::1", port: 2222, shows: shows, first: lines("[::1]:2222 " + a)},
		{name: "port", port: 2222, shows: shows, first: lines("[n1]:2222 " + a)},
		{name: "port 22 in brackets", shows: shows, first: lines("[n1]:22 " + a), want: "unknown"},
		{name: "another port", port: 2222, shows: shows, first: lines("[n1]:2223 " + a), want: "unknown"},
		{name: "port of a host known without", port: 2222, shows: shows, first: lines("n1 " + a)},
		{name: "port of a host known without, by another key", port: 2222, shows: shows, first: lines("n1 " + b), want: "unknown"},
		{name: "changed at this port", port: 2222, shows: shows, first: lines("[n1]:2222 "+b, "n1 "+a), want: "changed"},
		{name: "without a port, known with one", shows: shows, first: lines("[n1]:2222 " + a), want: "unknown"},
		{name: "alias", alias: "rack7", shows: shows, first: lines("n1 "+b, "rack7 "+a)},
		{name: "alias has no port", alias: "rack7", port: 2222, shows: shows, first: lines("rack7 " + a)},
		{name: "alias with a port", alias: "rack7", port: 2222, shows: shows, first: lines("[rack7]:2222 " + a), want: "unknown"},
		{name: "alias, known by the name alone", alias: "rack7", shows: shows, first: lines("n1 " + a), want: "unknown"},
	}
}

func patternCases(p *pki) []knownCase {
	a := of(p.a)
	shows := []ssh.Signer{p.a}
	hashed := func(name string) string { return knownhosts.HashHostname(name) + " " + a }
	return []knownCase{
		{name: "star", shows: shows, first: lines("* " + a)},
		{name: "star and a port", port: 2222, shows: shows, first: lines("* " + a)},
		{name: "star inside", host: "n1.rack7.example", shows: shows, first: lines("n*.example " + a)},
		{name: "stars", host: "n1.rack7.example", shows: shows, first: lines("*1*7*e " + a)},
		{name: "stars that don't end there", host: "n1.rack7.example", shows: shows, first: lines("*1*7*p " + a), want: "unknown"},
		{name: "question mark", shows: shows, first: lines("n? " + a)},
		{name: "question mark is one", host: "n12", shows: shows, first: lines("n? " + a), want: "unknown"},
		{name: "star for the port", port: 2222, shows: shows, first: lines("[n1]:* " + a)},
		{name: "star for the host", port: 2222, shows: shows, first: lines("[n*]:2222 " + a)},
		{name: "negated", shows: shows, first: lines("*,!n1 " + a), want: "unknown"},
		{name: "negated first", shows: shows, first: lines("!n1,* " + a), want: "unknown"},
		{name: "negated, another", shows: shows, first: lines("*,!n2 " + a)},
		{name: "negated alone", shows: shows, first: lines("!n2 " + a), want: "unknown"},
		{name: "negated at this port, not without", port: 2222, shows: shows, first: lines("*,![n1]:2222 " + a)},
		{name: "no regular expression", shows: shows, first: lines("n[0-9] " + a), want: "unknown"},
		{name: "hashed", shows: shows, first: lines(hashed("n1"))},
		{name: "hashed with a port", port: 2222, shows: shows, first: lines(hashed("[n1]:2222"))},
		{name: "hashed, upper case on the command line", host: "N1", shows: shows, first: lines(hashed("n1"))},
		{name: "hashed, another", shows: shows, first: lines(hashed("n2")), want: "unknown"},
		{name: "hashed pattern is none", shows: shows, first: lines(hashed("n*")), want: "unknown"},
		{name: "hashed changed", shows: []ssh.Signer{p.b}, first: lines(hashed("n1")), want: "changed"},
	}
}

// brokenCases: what ssh can't read it leaves out.
func brokenCases(p *pki) []knownCase {
	a, b := of(p.a), of(p.b)
	shows := []ssh.Signer{p.a}
	var all []knownCase
	for name, line := range map[string]string{
		"a comment": "# n1 " + b, "a comment that is moved": "  \t# hi", "an empty line": "", "blanks": " \t ", "garbage": "lorem ipsum",
		"a name alone": "n1", "no key": "n1 ssh-ed25519", "no base64": "n1 ssh-ed25519 %%%%", "a key cut off": "n1 " + b[:40],
		"the wrong type": "n1 ssh-rsa " + strings.Fields(b)[1], "an unknown type": "n1 ssh-foo " + strings.Fields(b)[1],
		"an unknown marker": "@trusted n1 " + b, "two markers": "@revoked @cert-authority n1 " + a, "a marker alone": "@revoked",
		"a broken hash": "|1|x|y " + b, "a hash of another kind": "|2|x|y " + b, "zero bytes": "\x00\x00n1 " + b, "an old protocol 1 key": "n1 1024 35 1234567",
	} {
		all = append(all, knownCase{name: "after " + name, shows: shows, first: lines(line, "n1 "+a)})
	}
	return append(all,
		knownCase{name: "a comment behind the key", shows: shows, first: lines("n1 " + a + " admin@desk 2026")},
		knownCase{name: "tabs and blanks", shows: shows, first: lines("  n1\t " + strings.Replace(a, " ", " \t", 1))},
		knownCase{name: "no end of line", shows: shows, first: "n1 " + a},
		knownCase{name: "end of line of another system", shows: shows, first: "n1 " + a + "\r\n"},
		knownCase{name: "only lines that can't be read", shows: shows, first: lines("n1 ssh-ed25519 %%%%"), want: "unknown"},
	)
}

func fileCases(p *pki) []knownCase {
	a, b := of(p.a), of(p.b)
	shows := []ssh.Signer{p.a}
	return []knownCase{
		{name: "second file", shows: shows, first: lines("n2 " + a), other: lines("n1 " + a)},
		{name: "second file has the new key", shows: shows, first: lines("n1 " + b), other: lines("n1 " + a)},
		{name: "system file", shows: shows, system: lines("n1 " + a)},
		{name: "system file has the old key", shows: shows, first: lines("n1 " + a), system: lines("n1 " + b)},
		{name: "changed against the system file", shows: shows, system: lines("n1 " + b), want: "changed"},
		{name: "revoked", shows: shows, first: lines("n1 "+a, "@revoked n1 "+a), want: "revoked"},
		{name: "revoked first", shows: shows, first: lines("@revoked n1 "+a, "n1 "+a), want: "revoked"},
		{name: "revoked everywhere", shows: shows, first: lines("n1 "+a, "@revoked * "+a), want: "revoked"},
		{name: "revoked and never known", shows: shows, first: lines("@revoked * " + a), want: "revoked"},
		{name: "revoked for another host", shows: shows, first: lines("n1 "+a, "@revoked n2 "+a)},
		{name: "revoked by a hashed name", shows: shows, first: lines("n1 "+a, "@revoked "+knownhosts.HashHostname("n1")+" "+a), want: "revoked"},
		{name: "revoked in the system file", shows: shows, first: lines("n1 " + a), system: lines("@revoked * " + a), want: "revoked"},
		{name: "another key is revoked", shows: shows, first: lines("n1 "+a, "@revoked * "+b)},
		{name: "another key is revoked and this one unknown", shows: shows, first: lines("@revoked * " + b), want: "unknown"},
	}
}

func algorithmCases(p *pki) []knownCase {
	a, b, e, r := of(p.a), of(p.b), of(p.ecdsa), of(p.rsa)
	shows := []ssh.Signer{p.a, p.ecdsa, p.rsa}
	return []knownCase{
		{name: "of several, ed25519 known", shows: shows, first: lines("n1 " + a)},
		{name: "of several, ecdsa known", shows: shows, first: lines("n1 " + e)},
		{name: "of several, rsa known", shows: shows, first: lines("n1 " + r)},
		{name: "of several, the last two known", shows: shows, first: lines("n1 "+r, "n1 "+e)},
		{name: "of several, the first changed", shows: shows, first: lines("n1 "+b, "n1 "+e), want: "changed"},
		{name: "of several, none known", shows: shows, first: lines("n2 " + a), want: "unknown"},
		{name: "of several, rsa known at this port", port: 2222, shows: shows, first: lines("[n1]:2222 " + r)},
		{name: "rsa alone", shows: []ssh.Signer{p.rsa}, first: lines("n1 " + r)},
		{name: "known by a type that it no longer has", shows: []ssh.Signer{p.rsa}, first: lines("n1 " + a), want: "changed"},
		{name: "known by more than it has", shows: []ssh.Signer{p.rsa}, first: lines("n1 "+a, "n1 "+e, "n1 "+r)},
	}
}

func authorityCases(p *pki) []knownCase {
	a, ca, caRSA := of(p.a), "@cert-authority n1 "+of(p.ca), "@cert-authority n1 "+of(p.caRSA)
	good := p.cert(p.ca, nil)
	for1 := func(names ...string) []ssh.Signer {
		return []ssh.Signer{p.cert(p.ca, func(c *ssh.Certificate) { c.ValidPrincipals = names })}
	}
	changed := func(change func(*ssh.Certificate)) []ssh.Signer { return []ssh.Signer{p.cert(p.ca, change)} }
	sha1, _ := ssh.NewSignerWithAlgorithms(p.caRSA.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSA})
	sha2, _ := ssh.NewSignerWithAlgorithms(p.caRSA.(ssh.AlgorithmSigner), []string{ssh.KeyAlgoRSASHA512})
	shows := []ssh.Signer{good, p.a}
	all := []knownCase{
		{name: "authority", shows: shows, first: lines(ca)},
		{name: "authority, certificate alone", shows: []ssh.Signer{good}, first: lines(ca)},
		{name: "authority for all", shows: shows, first: lines("@cert-authority * " + of(p.ca))},
		{name: "authority by a hashed name", shows: shows, first: lines("@cert-authority " + knownhosts.HashHostname("n1") + " " + of(p.ca))},
		{name: "authority for another host", shows: shows, first: lines("@cert-authority n2 " + of(p.ca)), want: "unknown"},
		{name: "another authority", shows: shows, first: lines("@cert-authority n1 " + of(p.b)), want: "unknown"},
		{name: "authority, plain key", shows: []ssh.Signer{p.a}, first: lines(ca), want: "unknown"},
		{name: "authority's own key", shows: []ssh.Signer{p.ca}, first: lines(ca), want: "unknown"},
		{name: "authority's key without its marker", shows: shows, first: lines("n1 " + of(p.ca)), want: "changed"},
		{name: "authority and the plain key of one without a certificate", shows: []ssh.Signer{p.a}, first: lines(ca, "n1 "+a)},
		{name: "certificate of nobody known, key known", shows: shows, first: lines("n1 " + a)},
		{name: "certificate of nobody known alone, key known", shows: []ssh.Signer{good}, first: lines("n1 " + a)},
		{name: "certificate of another authority, key known", shows: shows, first: lines("@cert-authority n1 "+of(p.b), "n1 "+a)},
		{name: "certificate for another host", shows: for1("n2"), first: lines(ca), want: "unknown"},
		{name: "certificate for another host, key known", shows: for1("n2"), first: lines(ca, "n1 "+a)},
		{name: "certificate for several", shows: for1("n2", "n1"), first: lines(ca)},
		{name: "certificate for all", shows: for1(), first: lines(ca)},
		{name: "certificate for a pattern", shows: for1("n*"), first: lines(ca), want: "unknown"},
		{name: "certificate and port", port: 2222, shows: shows, first: lines("@cert-authority [n1]:2222 " + of(p.ca))},
		{name: "certificate and port, authority without", port: 2222, shows: shows, first: lines(ca)},
		{name: "certificate with a port in it", port: 2222, shows: for1("[n1]:2222"), first: lines("@cert-authority * " + of(p.ca)), want: "unknown"},
		{name: "certificate for the alias", alias: "rack7", shows: for1("rack7"), first: lines("@cert-authority rack7 " + of(p.ca))},
		{name: "certificate not for the alias", alias: "rack7", shows: shows, first: lines("@cert-authority rack7 " + of(p.ca)), want: "unknown"},
		{name: "certificate that has expired", shows: changed(func(c *ssh.Certificate) { c.ValidBefore = 1000 }), first: lines(ca), want: "unknown"},
		{name: "certificate that isn't valid yet", shows: changed(func(c *ssh.Certificate) { c.ValidAfter = 1 << 40 }), first: lines(ca), want: "unknown"},
		{name: "a user's certificate", shows: changed(func(c *ssh.Certificate) { c.CertType = ssh.UserCert }), first: lines(ca), want: "unknown"},
		{name: "certificate with a condition", shows: changed(func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"x@y": ""} }), first: lines(ca), want: "unknown"},
		{name: "authority revoked", shows: shows, first: lines(ca, "@revoked * "+of(p.ca)), want: "revoked"},
		{name: "authority revoked for another host", shows: shows, first: lines(ca, "@revoked n2 "+of(p.ca))},
		{name: "certificate's key revoked", shows: shows, first: lines(ca, "@revoked * "+a), want: "revoked"},
		{name: "authority in the system file", shows: shows, system: lines(ca)},
		{name: "signed with SHA-2", shows: []ssh.Signer{p.cert(sha2, nil)}, first: lines(caRSA)},
		{name: "signed with SHA-1", shows: []ssh.Signer{p.cert(sha1, nil)}, first: lines(caRSA), want: "unknown"},
	}
	return all
}
