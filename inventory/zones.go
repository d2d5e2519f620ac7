package inventory

import (
	_ "embed"
	"strings"
)

// zones are the names of the IANA database, for "did you mean" alone: whether a zone exists is asked of the database.
//
//go:embed zones.txt
var zones string

func zoneNames() []string { return strings.Fields(zones) }
