package witness

import _ "embed"

//go:embed public.txt
var public string

// Public returns the witnesses that anybody may ask to witness their log: a
// dated list as lines of c2sp.org/tlog-policy, with the source of every key in
// its comments. A quorum is for whoever uses it to choose.
func Public() string { return public }
