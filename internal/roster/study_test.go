package roster

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// source gives bytes as an export.
func source(data []byte) Source {
	return func(context.Context) (io.ReadCloser, int64, error) {
		return io.NopCloser(bytes.NewReader(data)), int64(len(data)), nil
	}
}

const studyRules = `
columns: {account: id, email: mail, phone: tel}
phoneRegion: JP
maxRejects: 1
exclude:
  - {name: foreign, when: 'country != "JP"'}
  - {name: staff, when: 'mail endsWith "@hidden.example"'}
sets:
  - {when: 'nickname != ""', classes: [email, nickname]}
  - {classes: [email]}
`

// studyExport has n accounts, each with values that must not be shown, and a few that may.
func studyExport(n int) string {
	var b strings.Builder
	b.WriteString("id,mail,tel,country,nickname\n")
	for i := range n {
		country, mail, nick := "JP", fmt.Sprintf("secret%04d@mail.example", i), fmt.Sprintf("nick-%d", i)
		switch {
		case i%10 == 0:
			country = "TW"
		case i%10 == 1:
			mail = fmt.Sprintf("secret%04d@hidden.example", i)
		case i%10 == 2:
			nick = ""
		case i%10 == 3:
			mail = fmt.Sprintf("secret%04d@own%d.example", i, i) // a domain of one's own names its owner
		}
		tel := fmt.Sprintf("0901234%04d", i)
		if i%7 == 0 {
			tel = fmt.Sprintf("secret-%d", i)
		}
		fmt.Fprintf(&b, "member-%d,%s,%s,%s,%s\n", i, mail, tel, country, nick)
	}
	return b.String()
}

// TestStudy: samples show what the rules took, and of a person nothing; reasons are counted.
func TestStudy(t *testing.T) {
	var y Study
	counts, err := Scope(t.Context(), Options{Export: "a.csv", Source: source([]byte(studyExport(1000))), Rules: mustRules(t, studyRules), Study: &y})
	if err != nil {
		t.Fatal(err)
	}
	if len(y.Samples) != 4 || y.Samples[0].Rule != "foreign" || y.Samples[0].Rows != counts.Excluded[0].Rows || y.Samples[1].Rows != 100 || y.Samples[3].Rows != 100 || len(y.Samples[2].Classes) != 2 {
		t.Fatalf("%+v", y.Samples)
	}
	shown, err := json.Marshal(y)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range y.Samples {
		if len(s.Picked) != sampleRows {
			t.Errorf("%d rows of %s", len(s.Picked), s.Rule)
		}
		for _, m := range s.Picked {
			for _, c := range m.Cells {
				if s.Rule == "foreign" && c.Column == "country" && c.Text != "TW" {
					t.Errorf("a category is not shown: %q", c.Text)
				}
				if c.Column == "mail" && s.Rule == "staff" && c.Text != "a9…@hidden.example" {
					t.Errorf("a domain of many is not shown: %q", c.Text)
				}
			}
		}
	}
	for _, secret := range []string{"secret", "member-", "nick-", "0901", "@own"} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("%q is shown: %s", secret, shown)
		}
	}
	if len(y.Reasons) != 1 || y.Reasons[0].Field != "tel" || y.Reasons[0].Kept != counts.Unreadable[identity.KindPhone] || y.Reasons[0].Kept == 0 || len(y.Reasons[0].Lines) != maxLines {
		t.Errorf("%+v, %+v", y.Reasons, counts.Unreadable)
	}
}

// TestMasks: one mask stands for many values, whatever they are.
func TestMasks(t *testing.T) {
	y := Study{domains: map[string]int64{"example.com": common, "rare.example": common - 1}}
	email, phone, other := studied{email: true, ident: true}, studied{ident: true, seen: map[string]int64{"0312345678": 1000}}, studied{seen: map[string]int64{"JP": common, "few": common - 1, "0312345678": 1000, "a@b": 1000}}
	for _, c := range []struct {
		c           studied
		value, want string
	}{
		{email, "tanaka.taro@example.com", "a·…@example.com"}, {email, "x@example.com", "a…@example.com"}, {email, "x@EXAMPLE.com ", "a…@example.com"},
		{email, "x@rare.example", "a…@…"}, {email, "太郎@example.com", "あ…@example.com"}, {email, "no address", "a·…"}, {email, "a@b@example.com", "a·…@example.com"}, {email, "x@ex\"ample", "a…@…"},
		{phone, "03-1234-5678", "9·…"}, {phone, "0312345678", "9…"}, {phone, "", ""},
		{other, "JP", "JP"}, {other, "few", "a…"}, {other, "0312345678", "9…"}, {other, "a@b", "a·…"}, {other, "何か", "あ…"}, {studied{}, "JP", "a…"},
	} {
		if got := y.mask(c.c, c.value); got != c.want {
			t.Errorf("%q is masked as %q, want %q", c.value, got, c.want)
		}
	}
}

// TestStudyHeaderless: the first person of an export without a header is not shown as the name of a column.
func TestStudyHeaderless(t *testing.T) {
	var y Study
	rules := mustRules(t, `
columns: {email: "first.person@example.com"}
maxRejects: 1
sets: [{when: 'col["0312345678"] == ""', classes: [email]}]
`)
	_, err := Scope(t.Context(), Options{Export: "a.csv", Source: source([]byte("first.person@example.com,0312345678\nbad,x\n")), Rules: rules, Study: &y})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := json.Marshal(y)
	if err != nil || strings.Contains(string(shown), "first") || strings.Contains(string(shown), "0312") {
		t.Errorf("%s, %v", shown, err)
	}
}

// TestStudyFailed: where too many rows cannot be read, it is said why all the same.
func TestStudyFailed(t *testing.T) {
	var y Study
	_, err := Scope(t.Context(), Options{Export: "a.csv", Source: source([]byte("mail\nbad\nbad\n")), Rules: mustRules(t, "columns: {email: mail}\nsets: [{classes: [email]}]"), Study: &y})
	if !errors.Is(err, ErrTooManyRejects) || len(y.Reasons) != 1 || y.Reasons[0].Invalid != 2 {
		t.Errorf("%+v, %v", y.Reasons, err)
	}
}

// TestHostile: exports that would fill memory or disk, or are none, are refused in words that hold nothing of them.
func TestHostile(t *testing.T) {
	zipped := func(write func(w io.Writer)) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		write(z)
		z.Close()
		return b.Bytes()
	}
	head := "mail\n"
	bomb := zipped(func(w io.Writer) {
		io.WriteString(w, head)
		for range 64 {
			w.Write(bytes.Repeat([]byte("\n"), 1<<20))
		}
	})
	rows := zipped(func(w io.Writer) {
		io.WriteString(w, head)
		for range 100 {
			w.Write(bytes.Repeat([]byte("secret@example.com\n"), 1000))
		}
	})
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"a bomb of nothing": {bomb, "unfolds to more than"}, "a bomb of rows": {rows, "more than 50000 rows"},
		"binary":   {append([]byte("\x7fELF\x02\x01\x01\x00"), bytes.Repeat([]byte{0, 1, 2, 255}, 5000)...), ""},
		"an image": {append([]byte("\x89PNG\r\n\x1a\n"), bytes.Repeat([]byte{7, 0, 200}, 5000)...), ""},
		"a zip":    {[]byte("PK\x03\x04secret"), "zip archive"}, "cut off": {rows[:len(rows)/2], "end in the middle"}, "empty": {nil, "it is empty"},
	} {
		_, err := Scope(t.Context(), Options{Export: "a.csv", Source: source(c.data), Rules: mustRules(t, "columns: {email: mail}\nmaxRejects: 1\nsets: [{classes: [email]}]"), MaxRows: 50_000, MaxText: 16 << 20})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") || c.want != "" && !errors.Is(err, ErrExport) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A line of 10 MB is a row that cannot be read, and its neighbours can.
	long := head + "a@example.com\n" + strings.Repeat("secret", 10<<20/6) + "\nb@example.com\n"
	counts, err := Scope(t.Context(), Options{Export: "a.csv", Source: source([]byte(long)), Rules: mustRules(t, "columns: {email: mail}\nmaxRejects: 1\nsets: [{classes: [email]}]"), MaxText: 64 << 20})
	if err != nil || counts.Affected != 2 || counts.Invalid != 1 {
		t.Errorf("a long line: %+v, %v", counts, err)
	}
}

// TestDifference: who came in and who went out is counted, between two rosters and before the later one is made.
func TestDifference(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newHome(t, db).Rosters
		ctx := t.Context()
		rules := mustRules(t, "columns: {account: id, email: mail}\nindex: [email, account]\norganisation: shop\nsets:\n  - {when: 'nick != \"\"', classes: [email, nickname]}\n  - {classes: [email]}")
		options := func(text string) Options {
			return Options{Export: "a.csv", Source: source([]byte(text)), Rules: rules, TempDir: t.TempDir()}
		}
		one, two := "id,mail,nick\n1,a@example.com,\n2,b@example.com,x\n3,c@example.com,\n", "id,mail,nick\n0,z@example.com,\n2,b@example.com,\n3,c@example.com,\n4,d@example.com,\n5,d@example.com,\n"
		if _, d, err := r.DryRun(ctx, actor.Operator(), "case", options(one)); err != nil || d != nil {
			t.Fatalf("without a roster: %v, %v", d, err)
		}
		before, err := r.Create(ctx, actor.Operator(), "case", options(one))
		if err != nil {
			t.Fatal(err)
		}
		want := Difference{identity.KindEmail: {In: 2, Out: 1, Stayed: 1, Changed: 1}, identity.KindAccount: {In: 3, Out: 1, Stayed: 1, Changed: 1}}
		_, foreseen, err := r.DryRun(ctx, actor.Operator(), "case", options(two))
		if err != nil || fmt.Sprint(foreseen) != fmt.Sprint(want) {
			t.Errorf("foreseen %v, want %v, %v", foreseen, want, err)
		}
		after, err := r.Create(ctx, actor.Operator(), "case", options(two))
		if err != nil {
			t.Fatal(err)
		}
		if d, err := r.Difference(ctx, actor.Operator(), before, after); err != nil || fmt.Sprint(d) != fmt.Sprint(want) {
			t.Errorf("%v, want %v, %v", d, want, err)
		}
		if d, err := r.Difference(ctx, actor.Operator(), after, after); err != nil || d.Moves().In+d.Moves().Out+d.Moves().Changed != 0 {
			t.Errorf("to itself: %v, %v", d, err)
		}
		stranger := actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{actor.Writer}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
		if _, err := r.Difference(ctx, stranger, before, after); !errors.Is(err, actor.ErrHidden) {
			t.Errorf("a stranger: %v", err)
		}
		if _, _, err := r.DryRun(ctx, stranger, "case", options(one)); !errors.Is(err, actor.ErrHidden) {
			t.Errorf("a stranger: %v", err)
		}
	})
}
