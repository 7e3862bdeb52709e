package actor

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryPermission holds every role, with every kind of access, against every permission: in their own case, in another,
// and where there is none. What is wanted is written out, so that a slip in the table is seen.
func TestEveryPermission(t *testing.T) {
	// For each role: what it may with access to read, to contribute, and full; "all" are those of no case.
	want := map[Role][4]string{
		Commander:     {"see", "see contribute answer write command propose", "see contribute answer write command propose remove share", "declare record"},
		Writer:        {"see", "see contribute write propose", "see contribute write propose", "declare record"},
		Approver:      {"see", "see contribute approve", "see contribute approve", ""},
		Desk:          {"see", "see contribute answer", "see contribute answer", ""},
		Auditor:       {"see", "see", "see", "audit"},
		Administrator: {"", "", "", "people keys audit"},
	}
	for _, role := range Roles() {
		for access := None; access <= Full; access++ {
			who := Staff(Member{ID: "p1", Roles: []Role{role}, Access: map[string]Access{"mine": access}}, "console")
			for _, p := range Permissions() {
				may := ""
				switch {
				case !p.OfCase():
					may = want[role][3]
				case access > None:
					may = want[role][access-1]
				case role == Auditor:
					may = "see"
				}
				allowed := slices.Contains(strings.Fields(may), p.String())
				if err := who.May(p, "mine"); (err == nil) != allowed {
					t.Errorf("%s with access %s: %s: %v", role, access, p, err)
				}
				if p.OfCase() {
					err := who.May(p, "other")
					switch {
					case role == Auditor && p == See:
						if err != nil {
							t.Errorf("an auditor does not see a case: %v", err)
						}
					case role == Auditor:
						if !errors.Is(err, ErrRole) {
							t.Errorf("an auditor, %s: %v", p, err)
						}
					case !errors.Is(err, ErrHidden):
						t.Errorf("%s: %s in somebody else's case: %v", role, p, err)
					}
				}
			}
		}
	}
}

func TestNobodyAndPrograms(t *testing.T) {
	for _, p := range Permissions() {
		for _, who := range []Actor{{}, Staff(Member{Roles: Roles(), Access: map[string]Access{Every: Full}}, "console")} {
			if err := who.May(p, "c"); !errors.Is(err, ErrNobody) {
				t.Errorf("nobody may %s: %v", p, err)
			}
		}
		for _, who := range []Actor{Operator(), Server()} {
			if err := who.May(p, "c"); (err != nil) != (p == Approve) {
				t.Errorf("%s: %s: %v", who, p, err)
			}
		}
	}
	if Operator().String() != "operator by command line" || Server().String() != "shirase by server" || (Actor{}).String() != "" {
		t.Error("what is kept of old entries has changed")
	}
	if Operator().Person() || Server().Person() || (Actor{}).Person() {
		t.Error("a program is a second person")
	}
	if !errors.Is((Actor{}).Check("x"), ErrNobody) || Operator().Check("x") != nil {
		t.Error("Check")
	}
}

func TestWhy(t *testing.T) {
	reads := Staff(Member{ID: "p1", Roles: []Role{Commander}, Access: map[string]Access{"c": Reads}}, "console")
	if err := reads.May(Contribute, "c"); !errors.Is(err, ErrAccess) {
		t.Errorf("read only: %v", err)
	}
	if err := reads.May(Approve, "c"); !errors.Is(err, ErrRole) {
		t.Errorf("no approver: %v", err)
	}
	held := Staff(Member{ID: "p1", Roles: []Role{Approver}, Access: map[string]Access{Every: Contributes}, Held: time.Unix(0, 0)}, "console")
	if err := held.May(Approve, "c"); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "1970-01-01T00:00:00Z") {
		t.Errorf("a new approver: %v", err)
	}
	if err := held.May(Contribute, "c"); err != nil {
		t.Errorf("a new approver contributes: %v", err)
	}
}

// TestReadsOnly: whoever can act in another case, reads another one, or reads more than cases, does more than read this one.
func TestReadsOnly(t *testing.T) {
	for _, x := range []struct {
		what   string
		roles  []Role
		access map[string]Access
		only   bool
	}{
		{"the desk, which reads it", []Role{Desk}, map[string]Access{"c": Reads}, true},
		{"an approver who reads it", []Role{Approver}, map[string]Access{"c": Reads, "b": None}, true},
		{"the desk, which acts elsewhere", []Role{Desk}, map[string]Access{"c": Reads, "b": Contributes}, false},
		{"the desk, which reads another one", []Role{Desk}, map[string]Access{"c": Reads, "b": Reads}, false},
		{"the desk, which reads all", []Role{Desk}, map[string]Access{Every: Reads}, false},
		{"the desk, which reads it and all", []Role{Desk}, map[string]Access{"c": Reads, Every: Reads}, false},
		{"the desk, which acts in it", []Role{Desk}, map[string]Access{"c": Contributes}, false},
		{"an auditor, who reads all and the log", []Role{Auditor}, map[string]Access{"c": Reads}, false},
		{"a writer, who declares cases", []Role{Writer}, map[string]Access{"c": Reads}, false},
		{"the desk and an administrator", []Role{Desk, Administrator}, map[string]Access{"c": Reads}, false},
		{"an administrator", []Role{Administrator}, map[string]Access{"c": Reads}, false},
		{"who has no access", []Role{Desk}, nil, false},
	} {
		if got := Staff(Member{ID: "p1", Roles: x.roles, Access: x.access}, "console").ReadsOnly("c"); got != x.only {
			t.Errorf("%s: %v", x.what, got)
		}
	}
	if Operator().ReadsOnly("c") || Server().ReadsOnly("c") || (Actor{}).ReadsOnly("c") {
		t.Error("a program, or nobody, only reads")
	}
}

func TestWith(t *testing.T) {
	before := Staff(Member{ID: "p1", Roles: []Role{Commander}, Access: map[string]Access{"a": Reads}}, "console")
	after := before.With("b", Full).With("a", None)
	if before.Sees("b") || !after.Sees("b") || !after.Sees("a") || after.May(Remove, "b") != nil {
		t.Error("a case that was just declared")
	}
	if (Actor{}).With("b", Full).Sees("b") {
		t.Error("nobody sees a case")
	}
}

func TestConfirmed(t *testing.T) {
	m := Member{ID: "p1", Roles: []Role{Approver}, Confirms: "approve 1"}
	if err := Staff(m, "console").Confirmed("approve 1"); err != nil {
		t.Error(err)
	}
	m.Confirms = ""
	for _, who := range []Actor{{}, Operator(), Server(), Staff(m, "console")} {
		for _, act := range []string{"", "approve 1", "approve 2"} {
			if err := who.Confirmed(act); !errors.Is(err, ErrUnconfirmed) {
				t.Errorf("%s, %q: %v", who, act, err)
			}
		}
	}
}

// The names are kept: in accounts, in what was decided, in files.
func TestNames(t *testing.T) {
	if got := fmt.Sprint(Roles(), Permissions()); got != "[commander writer approver desk auditor administrator] [see contribute answer write command propose approve remove share declare record people keys audit]" {
		t.Error(got)
	}
	for _, a := range []Access{Reads, Contributes, Full} {
		if got, ok := ParseAccess(a.String()); !ok || got != a {
			t.Errorf("%s: %v", a, got)
		}
	}
	for _, s := range []string{"", "none", "owner"} {
		if _, ok := ParseAccess(s); ok {
			t.Errorf("%q is an access", s)
		}
	}
}
