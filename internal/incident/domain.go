package incident

import (
	"strings"

	"golang.org/x/net/idna"
)

// Domain is the name under which a service is reached, as a fact of it is kept: A-labels in lower case, without a www. in
// front, without a dot at the end. What is not the name of a host on the net is "": addresses of machines, single labels, and
// what has a path, a port or a user in it.
func Domain(s string) string {
	name, err := idna.Lookup.ToASCII(strings.TrimSuffix(strings.TrimSpace(s), "."))
	if err != nil || len(name) > 253 {
		return ""
	}
	name = strings.TrimPrefix(strings.ToLower(name), "www.")
	labels := strings.Split(name, ".")
	if len(labels) < 2 || !letters(labels[len(labels)-1]) {
		return ""
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return ""
		}
	}
	return name
}

// letters reports whether a top label is one of names and not of numbers: 192.0.2.1 is no name.
func letters(label string) bool {
	return strings.HasPrefix(label, "xn--") || len(label) > 1 && strings.Trim(label, "abcdefghijklmnopqrstuvwxyz") == ""
}
