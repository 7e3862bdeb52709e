package identity

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// A vector is one case of testdata/vectors.json. The text is in, or the bytes of
// hex where they are not UTF-8; the outcome is out, the value, or error, the
// reason's code. input is what is hashed, in hex.
type vector struct {
	In, Hex              string
	Region, Organisation string
	Kind                 Kind // of a typed text
	Out, Error           string
	Input                string
	Variants             []string
	Note                 string
}

func (v vector) text(t testing.TB) string {
	t.Helper()
	if v.Hex == "" {
		return v.In
	}
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readVectors(t testing.TB) map[string][]vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestVectors(t *testing.T) {
	all := readVectors(t)
	for kind, least := range map[string]int{"email": 120, "phone": 40, "account": 20, "variants": 5, "typed": 30} {
		if n := len(all[kind]); n < least {
			t.Errorf("%d vectors of %s", n, kind)
		}
	}
	reasons := map[Reason]bool{}
	parsers := map[string]func(vector, string) (Identity, error){
		"email":   func(_ vector, s string) (Identity, error) { return ParseEmail(s) },
		"phone":   func(v vector, s string) (Identity, error) { return ParsePhone(s, v.Region) },
		"account": func(v vector, s string) (Identity, error) { return NewAccount(v.Organisation, s) },
	}
	for kind, parse := range parsers {
		for _, v := range all[kind] {
			s := v.text(t)
			got, err := parse(v, s)
			if v.Error != "" {
				var e *Error
				if !errors.As(err, &e) || string(e.Reason) != v.Error || e.Kind != Kind(kind) || got != (Identity{}) {
					t.Errorf("%s %+q: %v, %v; want %s (%s)", kind, s, got, err, v.Error, v.Note)
				}
				reasons[Reason(v.Error)] = true
				continue
			}
			if want := (Identity{Kind(kind), v.Out}); err != nil || got != want {
				t.Errorf("%s %+q: %+q, %v; want %+q (%s)", kind, s, got.Value, err, v.Out, v.Note)
			}
			if v.Input != "" && hex.EncodeToString(got.Input()) != v.Input {
				t.Errorf("%s %+q: hashed is %x, want %s", kind, s, got.Input(), v.Input)
			}
		}
	}
	for r := range reasonText {
		if !reasons[r] {
			t.Errorf("no vector for %s", r)
		}
	}
	for _, v := range all["variants"] {
		id, err := ParseEmail(v.In)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, o := range Variants(id) {
			if again, err := ParseEmail(o.Value); err != nil || again != o {
				t.Errorf("variant %q of %q is not canonical: %v", o.Value, v.In, err)
			}
			got = append(got, o.Value)
		}
		if strings.Join(got, " ") != strings.Join(v.Variants, " ") {
			t.Errorf("variants of %q: %q, want %q", v.In, got, v.Variants)
		}
	}
}

func TestErrors(t *testing.T) {
	_, err := ParseEmail("secret.person")
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("%v is not ErrInvalid", err)
	}
	if want := "email: there is no @ in it"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	for r, text := range reasonText {
		if text == "" || strings.HasSuffix(text, ".") || r.Text() != text {
			t.Errorf("%s: text %q", r, text)
		}
	}
}

// TestTyped holds what is taken of a text that a person typed, and that nothing is taken twice: what comes out is not
// a link or a name with an address any more.
func TestTyped(t *testing.T) {
	for _, v := range readVectors(t)["typed"] {
		got := Typed(v.Kind, v.In)
		if got != v.Out {
			t.Errorf("%s %q: %q, want %q (%s)", v.Kind, v.In, got, v.Out, v.Note)
		}
		_, err := ParseEmail(got)
		if refused := strings.Contains(v.Note, "refused by the parser"); v.Kind == KindEmail && refused != (err != nil) {
			t.Errorf("%q becomes %q, and the parser says %v", v.In, got, err)
		}
	}
	long := "mailto:" + strings.Repeat("a", MaxInput)
	for _, s := range []string{long, "\xff <user@example.com>"} {
		if got := Typed(KindEmail, s); got != s {
			t.Errorf("%.20q is changed", s)
		}
	}
	for _, v := range readVectors(t)["email"] { // what the parser takes, it takes as it stood
		s := v.text(t)
		if id, err := ParseEmail(s); err == nil {
			if again, err := ParseEmail(Typed(KindEmail, s)); err != nil || again != id {
				t.Errorf("%q: %v, %v", s, again, err)
			}
		}
	}
}

func TestVariantsOfOthers(t *testing.T) {
	for _, id := range []Identity{{}, {KindPhone, "+819012345678"}, {KindAccount, "line\x00a+b@gmail.com"}} {
		if v := Variants(id); v != nil {
			t.Errorf("variants of %v: %v", id, v)
		}
	}
}

func FuzzEmail(f *testing.F) {
	for _, v := range readVectors(f)["email"] {
		f.Add(v.text(f))
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseEmail(s)
		slow, reason := email(s)
		if fast, ok := asciiEmail(s); ok && (fast != slow || reason != "") {
			t.Fatalf("%q: the short way gives %q, the steps %q %s", s, fast, slow, reason)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || reasonText[e.Reason] == "" || id != (Identity{}) {
				t.Fatalf("%q: %v with %v", s, id, err)
			}
			return
		}
		checkEmail(t, s, id)
		compareDomain(t, s)
	})
}

// checkEmail holds what is true of every canonical address.
func checkEmail(t *testing.T, s string, id Identity) {
	t.Helper()
	if again, err := ParseEmail(id.Value); err != nil || again != id {
		t.Fatalf("%q: %q is its canonical form, but not its own: %q, %v", s, id.Value, again.Value, err)
	}
	local, domain, ok := strings.Cut(id.Value, "@")
	if !ok || strings.Contains(domain, "@") || !strings.Contains(domain, ".") ||
		len(local) > maxLocal || len(domain) > maxDomain || id.Kind != KindEmail {
		t.Fatalf("%q: %q", s, id.Value)
	}
	for i := range len(id.Value) {
		if c := id.Value[i]; c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' {
			t.Fatalf("%q: %q", s, id.Value)
		}
	}
	for _, v := range Variants(id) {
		if again, err := ParseEmail(v.Value); err != nil || again != v || v == id {
			t.Fatalf("%q: variant %q: %v", s, v.Value, err)
		}
	}
}

func FuzzPhone(f *testing.F) {
	for _, v := range readVectors(f)["phone"] {
		f.Add(v.text(f), v.Region)
	}
	f.Fuzz(func(t *testing.T, s, region string) {
		id, err := ParsePhone(s, region)
		if err != nil {
			return
		}
		if len(id.Value) < 3 || len(id.Value) > 17 || id.Value[0] != '+' || strings.Trim(id.Value[1:], "0123456789") != "" {
			t.Fatalf("%q in %q: %q", s, region, id.Value)
		}
		if again, err := ParsePhone(id.Value, ""); err != nil || again != id {
			t.Fatalf("%q in %q: %q is not its own canonical form: %q %v", s, region, id.Value, again.Value, err)
		}
	})
}

func FuzzAccount(f *testing.F) {
	for _, v := range readVectors(f)["account"] {
		f.Add(v.Organisation, v.text(f))
	}
	f.Fuzz(func(t *testing.T, organisation, s string) {
		id, err := NewAccount(organisation, s)
		if err != nil {
			return
		}
		o, value, ok := strings.Cut(id.Value, "\x00")
		if !ok || o != organisation || value == "" || strings.Contains(value, "\x00") ||
			!utf8.ValidString(id.Value) || !strings.Contains(s, value) {
			t.Fatalf("%q %q: %q", organisation, s, id.Value)
		}
		if again, err := NewAccount(o, value); err != nil || again != id {
			t.Fatalf("%q is not its own canonical form: %q %v", id.Value, again.Value, err)
		}
	})
}

func BenchmarkParseEmail(b *testing.B) {
	for _, c := range []struct{ name, in string }{
		{"canonical", "some.user.name1@mail.example.co.jp"},
		{"mixed case", "Some.User.Name1@Mail.Example.co.jp"},
		{"fullwidth", "ｕｓｅｒ１＠ｅｘａｍｐｌｅ．ｃｏ．ｊｐ"},
		{"idn", "user1@日本語.jp"},
		{"xn", "user1@xn--wgv71a119e.jp"},
		{"invalid", "user1.example.co.jp"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseEmail(c.in)
			}
		})
	}
}

func BenchmarkParsePhone(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ParsePhone("090-1234-5678", "JP")
	}
}
