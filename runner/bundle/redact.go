package bundle

import "regexp"

// redacted stands where a secret was.
const redacted = "<redacted>"

// What a secret looks like, and what is left of it. Rather too much is taken than too little: a bundle leaves the house.
var secrets = []struct {
	find *regexp.Regexp
	put  string
}{
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)`), redacted},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`), redacted}, // JSON Web Tokens
	{regexp.MustCompile(`(?i)\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:[a-z]+ +)?)[^\s"',]+`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)\b(bearer +)[^\s"',]{8,}`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)(-{1,2}[a-z0-9-]*(?:pass|token|secret|api-?key|access-?key)[a-z0-9-]*[ =]["']?)[^\s"']+`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)((?:[a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|client-key-data|credentials?)[a-z0-9_-]*)\\?["']?\s*[:=]\s*)(?:\\?"(?:[^"\\\n]|\\[^"\n])*\\?"|'[^'\n]*'|[^\s"',;&}]+)`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)(\bauth["']?\s*[:=]\s*)["'][^"'\n]+["']`), "${1}" + redacted}, // of registries, as containerd and docker keep it
	{regexp.MustCompile(`(\s(?:-u|--user|-U|--proxy-user)[ =]?["']?[^\s:"'/]+:)[^\s"']+`), "${1}" + redacted},
	{regexp.MustCompile(`(\bipmitool\s(?:[^\n|;]*\s)?-P ?)[^\s"']+`), "${1}" + redacted},
	{regexp.MustCompile(`(\b(?:sshpass|ipmipower|ipmi-[a-z]+)\s(?:[^\n|;]*\s)?-p ?)[^\s"']+`), "${1}" + redacted},
	{regexp.MustCompile(`(\b(?:mysql|mariadb)[a-z-]*\s(?:[^\n|;]*\s)?-p)[^\s"']+`), "${1}" + redacted},
	{regexp.MustCompile(`(tcp_fastopen_key\s*[:=]\s*)\S+`), "${1}" + redacted},
	{regexp.MustCompile(`(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/]+@`), "${1}" + redacted + "@"}, // to the last @: a password may hold one
	{regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`), redacted},                             // bootstrap tokens of kubeadm
	{regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`), redacted},                             // of AWS
	{regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{20,}\b`), redacted},                            // of GitHub
	{regexp.MustCompile(`\$(?:1|2[aby]|5|6|y|7|argon2id)\$[./A-Za-z0-9,=$]{8,}`), redacted},     // of crypt(3)
}

// Redact takes secrets out of a text.
func Redact(text string) string {
	for _, s := range secrets {
		text = s.find.ReplaceAllString(text, s.put)
	}
	return text
}
