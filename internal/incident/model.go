package incident

import _ "embed"

//go:embed naver-2013.yaml
var modelCase []byte

// ModelCase returns the facts file of the model case: a real disclosure of 2013, recorded in our own words,
// which `demo` publishes with generated accounts.
func ModelCase() []byte { return modelCase }
