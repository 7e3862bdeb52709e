package roster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func knownClass(s string) bool {
	switch s {
	case "email", "password:hashed", "nickname", "name", "phone":
		return true
	}
	return false
}

func mustRules(t testing.TB, src string) *Rules {
	t.Helper()
	r, err := ParseRules("rules.yaml", []byte(src), knownClass)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// writeFile writes a file of the test and returns its path.
func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hintOf returns an error's remedy.
func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func countsJSON(t testing.TB, c Counts) string {
	t.Helper()
	b, err := json.Marshal(c, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// modelRules are those of the model case.
const modelRules = `
columns: {account: member_id, email: mail, locale: lang}
exclude:
  - {name: foreign, when: 'country != "JP"'}
  - {name: openid, when: 'auth in ["twitter", "facebook", "livedoor"]'}
sets:
  - {when: 'nickname != ""', classes: [email, "password:hashed", nickname]}
  - {classes: [email, "password:hashed"]}
`

const modelExport = `member_id,mail,lang,country,auth,nickname
1,user1@example.com,ja,JP,password,taro
2,user2@example.com,ja,JP,password,
3,user3@example.com,en,US,password,bob
4,,ja,JP,twitter,
5,USER1@example.com,ja,JP,password,
1,user1b@example.com,ja,JP,password,
6,not-an-address,ja,JP,password,
7,,ja,JP,password,
8,user8@example.com,ko,KR,twitter,
`

func TestScope(t *testing.T) {
	rejects := filepath.Join(t.TempDir(), "rejects.csv")
	most := 0.5
	counts, err := Scope(t.Context(), Options{Export: writeFile(t, "export.csv", modelExport), Rules: mustRules(t, modelRules),
		Rejects: rejects, MaxRejects: &most, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	// Rows 1, 2, 5, 7 are affected; 3 and 8 foreign, 4 openid; the second row of
	// account 1 is a duplicate, and its address counts; 1 and 5 share one.
	want := `{"total":9,"excluded":{"foreign":2,"openid":1},"duplicates":1,"invalid":1,"affected":4,"identities":{"email":3},"withoutEmail":1}`
	if got := countsJSON(t, counts); got != want {
		t.Errorf("counts\n%s, want\n%s", got, want)
	}
	list, err := os.ReadFile(rejects)
	if err != nil {
		t.Fatal(err)
	}
	if want := "line,field,reason,explanation\n8,mail,no-at-sign,there is no @ in it\n"; string(list) != want {
		t.Errorf("rejects\n%s, want\n%s", list, want)
	}
	if strings.Contains(string(list), "not-an-address") {
		t.Error("a value is in the list")
	}
}
