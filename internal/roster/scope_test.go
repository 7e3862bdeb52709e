package roster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"shirase/internal/charset"
	"shirase/internal/hint"
)

var knownClasses = []string{"email", "password:hashed", "nickname", "name", "phone"}

func mustRules(t testing.TB, src string) *Rules {
	t.Helper()
	r, err := ParseRules("rules.yaml", []byte(src), knownClasses)
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
	// Rows 1, 2, 5, 6, 7 are affected; 3 and 8 foreign, 4 openid; the second row of
	// account 1 is a duplicate, and its address counts; 1 and 5 share one; the
	// address of 6 cannot be read, and 7 has none.
	want := `{"total":9,"excluded":{"foreign":2,"openid":1},"duplicates":1,"invalid":0,"affected":5,"identities":{"email":3},"withoutEmail":2,"unreadable":{"email":1}}`
	if got := countsJSON(t, counts); got != want {
		t.Errorf("counts\n%s, want\n%s", got, want)
	}
	list, err := os.ReadFile(rejects)
	if err != nil {
		t.Fatal(err)
	}
	if want := "line,field,reason,explanation,row\n8,mail,no-at-sign,there is no @ in it,kept\n"; string(list) != want {
		t.Errorf("rejects\n%s, want\n%s", list, want)
	}
	if strings.Contains(string(list), "not-an-address") {
		t.Error("a value is in the list")
	}
}

const everyone = "sets: [{classes: [email]}]\n"

func scopeOf(t testing.TB, name, export, rules string, change func(*Options)) (Counts, error) {
	t.Helper()
	o := Options{Export: writeFile(t, name, export), Rules: mustRules(t, rules), TempDir: t.TempDir()}
	if change != nil {
		change(&o)
	}
	return Scope(t.Context(), o)
}

func TestScopeCounts(t *testing.T) {
	all := 1.0
	for _, c := range []struct{ name, export, rules, want string }{
		{"no account column: each row an account", "mail\nuser1@example.com\nUSER1@example.com\nuser2@example.com\n",
			"columns: {email: mail}\n" + everyone,
			`{"total":3,"excluded":{},"duplicates":0,"invalid":0,"affected":3,"identities":{"email":2},"withoutEmail":0}`},
		{"accounts are trimmed, their case kept", "id,mail\n 1 ,\n1,\na,\nA,\n", "columns: {account: id, email: mail}\n" + everyone,
			`{"total":4,"excluded":{},"duplicates":1,"invalid":0,"affected":3,"identities":{},"withoutEmail":3}`},
		{"an excluded row is no account's first", "id,mail,c\n1,user1@example.com,US\n1,user2@example.com,JP\n",
			"columns: {account: id, email: mail}\nexclude: [{name: x, when: 'c == \"US\"'}]\n" + everyone,
			`{"total":2,"excluded":{"x":1},"duplicates":0,"invalid":0,"affected":1,"identities":{"email":1},"withoutEmail":0}`},
		{"an invalid row is no account's first", "id,mail\n1,\xff\n1,user2@example.com\n", "columns: {account: id, email: mail}\n" + everyone,
			`{"total":2,"excluded":{},"duplicates":0,"invalid":1,"affected":1,"identities":{"email":1},"withoutEmail":0}`},
		{"of an account one row is read in part", "id,mail,tel\n1,x,\n1,user1@example.com,0\n1,user1@example.com,090-1234-5678\n",
			"columns: {account: id, email: mail, phone: tel}\nphoneRegion: JP\n" + everyone,
			`{"total":3,"excluded":{},"duplicates":2,"invalid":0,"affected":1,"identities":{"email":1,"phone":1},"withoutEmail":0,"unreadable":{"email":1,"phone":1}}`},
		{"each kind read in part, and none", "id,mail,tel\n,user1@example.com,\n2,x,090-1234-5678\n3,user3@example.com,0\n\"a\nb\",x,090-1234-5679\n,x,0\n",
			"columns: {account: id, email: mail, phone: tel}\nindex: [account, email, phone]\norganisation: line\nphoneRegion: JP\n" + everyone,
			`{"total":5,"excluded":{},"duplicates":0,"invalid":1,"affected":4,"identities":{"account":2,"email":2,"phone":2},"withoutEmail":2,"without":{"account":2,"phone":2},"unreadable":{"account":3,"email":3,"phone":2}}`},
		{"read in part, and no set matches", "mail,tel,c\nuser1@example.com,0,JP\nuser2@example.com,0,US\n",
			"columns: {email: mail, phone: tel}\nphoneRegion: JP\nsets: [{when: 'c == \"JP\"', classes: [email]}]\n",
			`{"total":2,"excluded":{},"duplicates":0,"invalid":1,"affected":1,"identities":{"email":1},"withoutEmail":0,"unreadable":{"phone":2}}`},
		{"a name twice in the first object, and within another", `{"id":1,"id":2,"mail":"user1@example.com"}` + "\n" + `{"id":3,"mail":"user3@example.com","x":{"a":1,"a":2}}` + "\n" + `{"id":4,"mail":"user4@example.com"}`,
			"columns: {account: id, email: mail}\n" + everyone,
			`{"total":3,"excluded":{},"duplicates":0,"invalid":2,"affected":1,"identities":{"email":1},"withoutEmail":0}`},
		{"rows of unreadable accounts are not united", "id,mail\n,user1@example.com\n,user1@example.com\n", "columns: {account: id, email: mail}\n" + everyone,
			`{"total":2,"excluded":{},"duplicates":0,"invalid":0,"affected":2,"identities":{"email":1},"withoutEmail":0,"unreadable":{"account":2}}`},
		{"excluded before the values are looked at", "id,mail,c\n,x,US\n", "columns: {account: id, email: mail}\nexclude: [{name: x, when: 'c == \"US\"'}]\n" + everyone,
			`{"total":1,"excluded":{"x":1},"duplicates":0,"invalid":0,"affected":0,"identities":{},"withoutEmail":0}`},
		{"the first rule counts", "mail,c\nuser1@example.com,US\n", "columns: {email: mail}\nexclude: [{name: b, when: 'c != \"JP\"'}, {name: a, when: 'c == \"US\"'}]\n" + everyone,
			`{"total":1,"excluded":{"b":1,"a":0},"duplicates":0,"invalid":0,"affected":0,"identities":{},"withoutEmail":0}`},
		{"empty account", "id,mail\n,user1@example.com\n", "columns: {account: id, email: mail}\n" + everyone,
			`{"total":1,"excluded":{},"duplicates":0,"invalid":0,"affected":1,"identities":{"email":1},"withoutEmail":0,"unreadable":{"account":1}}`},
		{"nothing to be known by", "mail,x\n,1\n", "columns: {email: mail}\n" + everyone,
			`{"total":1,"excluded":{},"duplicates":0,"invalid":1,"affected":0,"identities":{},"withoutEmail":0}`},
		{"all kinds", "id,mail,tel\n1,user1@example.com,090-1234-5678\n2,,+819012345678\n3,user3@example.com,x\n",
			"columns: {account: id, email: mail, phone: tel}\nindex: [account, email, phone]\norganisation: line\nphoneRegion: JP\n" + everyone,
			`{"total":3,"excluded":{},"duplicates":0,"invalid":0,"affected":3,"identities":{"account":3,"email":2,"phone":1},"withoutEmail":1,"without":{"phone":1},"unreadable":{"phone":1}}`},
		{"no set matches", "mail,c\nuser1@example.com,JP\nuser2@example.com,US\n", "columns: {email: mail}\nsets: [{when: 'c == \"JP\"', classes: [email]}]\n",
			`{"total":2,"excluded":{},"duplicates":0,"invalid":1,"affected":1,"identities":{"email":1},"withoutEmail":0}`},
		{"rows that cannot be read", "mail,c\n\"user1@example.com,JP\nuser2@example.com\nuser3@example.com,\xff\nuser4@example.com,JP\n", "columns: {email: mail}\n" + everyone,
			`{"total":4,"excluded":{},"duplicates":0,"invalid":3,"affected":1,"identities":{"email":1},"withoutEmail":0}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			counts, err := scopeOf(t, "export.csv", c.export, c.rules, func(o *Options) { o.MaxRejects = &all })
			if err != nil {
				t.Fatal(err)
			}
			if got := countsJSON(t, counts); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			if sum := counts.Invalid + counts.Excluded.Rows() + counts.Duplicates + counts.Affected; sum != counts.Total {
				t.Errorf("the parts are %d of %d", sum, counts.Total)
			}
			var back Counts
			if err := json.Unmarshal([]byte(countsJSON(t, counts)), &back); err != nil || countsJSON(t, back) != c.want {
				t.Errorf("read back: %s, %v", countsJSON(t, back), err)
			}
		})
	}
}

func TestScopeErrors(t *testing.T) {
	mail := "columns: {email: mail}\n" + everyone
	none := 0.0
	for _, c := range []struct {
		name, file, export, rules string
		change                    func(*Options)
		is                        error
		want, remedy              string
	}{
		{"no column", "x.csv", "id,e_mail,name\n1,2,3\n", mail, nil, ErrRules,
			`columns: email: the export has no column "mail"`, `the columns are "id", "e_mail", "name"`},
		{"misspelt", "x.csv", "id,Mail,name\n1,2,3\n", mail, nil, ErrRules, `no column "mail"; did you mean "Mail"?`, ""},
		{"no header", "x.csv", "1,user1@example.com,taro\n2,user2@example.com,bob\n", mail, nil, ErrRules,
			`no column "mail"`, "the first row must name the columns"},
		{"bars", "x.csv", "id|mail\n1|user1@example.com\n", mail, nil, ErrExport, "line 1: parted by ',', the header is one column", "commas, semicolons or tabs"},
		{"stated otherwise", "x.csv", "id;mail\n1;user1@example.com\n", mail, func(o *Options) { o.Format = TSV }, ErrExport,
			`line 1: parted by '\t', the header is one column`, "leave out --format"},
		{"a name twice in every object", "x.jsonl", strings.Repeat(`{"id":1,"id":2,"mail":"user1@example.com"}`+"\n", 3), mail, nil,
			ErrTooManyRejects, "3 of 3", "--rejects FILE"},
		{"unknown column in a rule", "x.csv", "mail\nuser1@example.com\n", "columns: {email: mail}\nexclude: [{name: x, when: 'maill == \"\"'}]\n" + everyone, nil, ErrRules,
			`rules.yaml:2: exclude "x": when: at character 1: unknown column "maill"; did you mean "mail"?`, `the columns are "mail"`},
		{"a header and no rows", "x.csv", "id,mail\n\n", mail, nil, ErrExport, "it has a header and no rows", "written to its end"},
		{"empty", "x.csv", "", mail, nil, ErrExport, "it is empty", "written to its end"},
		{"no file", "", "", mail, func(o *Options) { o.Export += ".none" }, os.ErrNotExist, "x.csv.none", ""},
		{"a folder", "", "", mail, func(o *Options) { o.Export = filepath.Dir(o.Export) }, ErrExport, "is a folder", ""},
		{"no folder for sorting", "x.csv", "mail\nuser1@example.com\n", mail, func(o *Options) { o.TempDir += "/none" }, os.ErrNotExist, "none", ""},
		{"one bad row of one", "x.csv", "mail\nx\n", mail, nil, ErrTooManyRejects, "1 of 1, and at most 1 % may be", "--rejects FILE"},
		{"none may be bad", "x.csv", "mail\n" + strings.Repeat("user1@example.com\n", 999) + "x\n", mail,
			func(o *Options) { o.MaxRejects = &none }, ErrTooManyRejects, "1 of 1000, and at most 0 % may be", ""},
		{"one in part and one wholly of three", "x.csv", "mail,tel\nx,\nuser1@example.com,x\nuser1@example.com,\n",
			"columns: {email: mail, phone: tel}\nphoneRegion: JP\n" + everyone, nil,
			ErrTooManyRejects, "2 of 3 (1 of them in part), and at most 1 % may be", ""},
		{"no country of numbers", "x.csv", "mail,tel\nuser1@example.com,+819012345678\n", "columns: {email: mail, phone: tel}\n" + everyone, nil, ErrRules,
			`rules.yaml: phoneRegion: nothing says of which country the numbers in "tel" are that have no +`, "phoneRegion: JP"},
		{"a country that is none", "x.csv", "mail,tel\nuser1@example.com,\n", "columns: {email: mail, phone: tel}\n" + everyone,
			func(o *Options) { o.PhoneRegion = "QQ" }, ErrRules, `phoneRegion "QQ"`, "phoneRegion: JP"},
		{"stated wrongly", "x.csv", "mail,x\n" + strings.Repeat("user1@example.com,\u5c71\n", 9), mail,
			func(o *Options) { o.Encoding = charset.EUCJP }, ErrTooManyRejects, "9 of 9", ""},
		{"one account", "x.csv", "id,mail\n" + strings.Join(manyRows(maxPerAccount+1), ""), "columns: {account: id, email: mail}\n" + everyone, nil, ErrRules,
			`the rows of one "id" (the first in line 2) have more than 10000 different addresses`, "tells accounts apart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			counts, err := scopeOf(t, cmpOr(c.file, "x.csv"), c.export, c.rules, c.change)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.remedy) {
				t.Errorf("%v\nhint %q\nwant %v, %q, %q", err, hint.Of(err), c.is, c.want, c.remedy)
			}
			if err == nil {
				t.Fatalf("counts %v", counts)
			}
			if text := err.Error() + hint.Of(err); strings.Contains(text, "user1@") || strings.Contains(text, "\n") {
				t.Errorf("it has a value or a line feed in it: %q", text)
			}
		})
	}
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

func manyRows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = "JP,user" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + itoa(i) + "@example.com\n"
	}
	return rows
}

func itoa(i int) string { return strconv.Itoa(i) }

// TestPhoneRegion: the rules' country goes before the instance's, which is not
// taken for a roster without numbers.
func TestPhoneRegion(t *testing.T) {
	for _, c := range []struct{ rules, instance, region, want string }{
		{"phoneRegion: JP\n", "GB", "JP", "+81332107000"}, {"", "GB", "GB", "+442083661177"}, {"", "JP", "JP", "+81332107000"},
	} {
		o := Options{Export: writeFile(t, "x.csv", "tel\n020 8366 1177\n03-3210-7000\n"), PhoneRegion: c.instance, MaxRejects: new(float64(1)),
			Rules: mustRules(t, "columns: {phone: tel}\nindex: [phone]\n"+c.rules+everyone)}
		var got []string
		result, err := run(t.Context(), o, func(m *member) error { got = append(got, string(m.value)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		if result.region != c.region || !slices.Contains(got, c.want) || int64(len(got)) != 2-result.counts.Invalid {
			t.Errorf("%+v: region %q, %q, %v", c, result.region, got, result.counts)
		}
	}
	result, err := run(t.Context(), Options{Export: writeFile(t, "x.csv", "mail\nuser1@example.com\n"), PhoneRegion: "GB",
		Rules: mustRules(t, "columns: {email: mail}\n"+everyone)}, nil)
	if err != nil || result.region != "" {
		t.Errorf("without numbers: %+v, %v", result, err)
	}
}

// TestRejects: all that cannot be read is listed, nothing with a value; a list is
// written also where the run stops, and there is none where there is nothing to list.
func TestRejects(t *testing.T) {
	export := "id,mail,tel,c\n" +
		"1,secret1,,JP\n" +
		"2,user2@example.com,secret2,JP\n" +
		",user3@example.com,,JP\n" +
		"4,user4@example.com,,secret4,\n" +
		"5,user5@example.com,,\xffsecret5\n" +
		"6,user6@example.com,,\"JP\"secret6\n" +
		"7,user7@example.com,,secret7\n" +
		"8,user8@example.com,,JP\n" +
		",secret9,secret9,JP\n" +
		"10,secret10,secret10,JP\n" +
		"11,secret11,,secret11\n" +
		",,,JP\n"
	rules := "columns: {account: id, email: mail, phone: tel}\nphoneRegion: JP\nmaxRejects: 0.5\nsets: [{when: 'c == \"JP\"', classes: [email]}]\n"
	want := `line,field,reason,explanation,row
2,mail,no-at-sign,there is no @ in it,kept
3,tel,phone-character,it holds a character that is not part of a telephone number,kept
4,id,empty,it is empty,kept
5,,too-many-fields,the row has more fields than the header,invalid
6,,encoding,the row has bytes that are not text in the export's encoding,invalid
7,,quote,"a quotation mark within a field, or something after the one that ends it",invalid
8,sets,no-set,no set of the rules matches the row,invalid
10,id,empty,it is empty,invalid
10,mail,no-at-sign,there is no @ in it,invalid
10,tel,phone-character,it holds a character that is not part of a telephone number,invalid
11,mail,no-at-sign,there is no @ in it,kept
11,tel,phone-character,it holds a character that is not part of a telephone number,kept
12,mail,no-at-sign,there is no @ in it,invalid
12,sets,no-set,no set of the rules matches the row,invalid
13,id,empty,it is empty,invalid
`
	dir := t.TempDir()
	list := filepath.Join(dir, "rejects.csv")
	_, err := scopeOf(t, "x.csv", export, rules, func(o *Options) { o.Rejects = list })
	if !errors.Is(err, ErrTooManyRejects) || !strings.Contains(hint.Of(err), list) {
		t.Errorf("%v, %q", err, hint.Of(err))
	}
	b, err := os.ReadFile(list)
	if err != nil || string(b) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, b, want)
	}
	// An older list, which has no last column, is ours too.
	if err := os.WriteFile(list, []byte("line,field,reason,explanation\n2,mail,no-at-sign,there is no @ in it\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := scopeOf(t, "x.csv", "id,mail,tel,c\n1,,,JP\n", rules, func(o *Options) { o.Rejects = list }); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("after a run without invalid rows there is %v, %v", left, err)
	}
	if err := os.WriteFile(list, []byte("mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A file that is no list is refused before anything is read, and stays.
	for _, rows := range []string{"1,,,JP\n", "1,nowhere,,JP\n"} {
		if _, err := scopeOf(t, "x.csv", "id,mail,tel,c\n"+rows, rules, func(o *Options) { o.Rejects = list }); !errors.Is(err, errNotOurs) {
			t.Errorf("%q: %v", rows, err)
		}
	}
	if b, err := os.ReadFile(list); err != nil || string(b) != "mine\n" {
		t.Errorf("a file that is no list was changed: %v", err)
	}
}

func TestProgress(t *testing.T) {
	export := "id,mail\n" + strings.Join(manyRows(20_000)[:9000], "")
	var stages []string
	last := Progress{}
	_, err := scopeOf(t, "x.csv", export, "columns: {email: mail}\n"+everyone, func(o *Options) {
		o.Progress = func(p Progress) {
			if p.Stage != last.Stage {
				stages = append(stages, p.Stage)
			} else if p.Done < last.Done || p.Done > p.Total || p.Rows < last.Rows {
				t.Errorf("%v after %v", p, last)
			}
			last = p
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(stages, " "); got != "read identities" || last.Done != last.Total || last.Rows != 9000 {
		t.Errorf("stages %q, last %v", got, last)
	}
}

func TestScopeCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o := Options{Export: writeFile(t, "x.csv", modelExport), Rules: mustRules(t, modelRules), TempDir: t.TempDir(),
		Progress: func(Progress) { cancel() }}
	if _, err := Scope(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
