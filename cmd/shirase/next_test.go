package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestNext holds that the step that is named fits what is there: nothing, an incident without a scope, one with it.
func TestNext(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	examples := filepath.Join("..", "..", "examples")
	for _, step := range []struct {
		args []string
		next string
	}{
		{[]string{"init"}, "shirase incident new --facts FILE"},
		{[]string{"incident", "new", "--facts", filepath.Join(examples, "facts.yaml")}, "shirase scope --export ACCOUNTS --rules RULES --incident shop-2026 --commit"},
		{[]string{"scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit"}, "shirase publish shop-2026"},
		{[]string{"publish", "shop-2026"}, "shirase incident new --facts FILE"},
	} {
		var out, errw strings.Builder
		if exit := run(t.Context(), append(step.args, "--data", data), &out, &errw); exit != exitDone {
			t.Fatalf("%v: exit %d: %s", step.args, exit, errw.String())
		}
		a := appAt(data, &out, &errw)
		in, err := a.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next, err := in.next(t.Context())
		in.close()
		if err != nil || !strings.HasPrefix(next, step.next) {
			t.Errorf("after %v: %q, %v", step.args, next, err)
		}
	}
}
