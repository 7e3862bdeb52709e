package datasets

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/internal/incident"
)

// dataFile opens one of the data sets that are not part of the project, or skips.
func dataFile(t testing.TB, name string) *os.File {
	t.Helper()
	dir := os.Getenv("SHIRASE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not there: name its folder in SHIRASE_TEST_DATA", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// readAll reads every record, and what was refused.
func readAll(t testing.TB, name string, r io.Reader, format Format) ([]incident.Record, []*incident.RowError, error) {
	t.Helper()
	in, err := Open(name, r, format, "")
	if err != nil {
		return nil, nil, err
	}
	var list []incident.Record
	var refused []*incident.RowError
	for {
		rec, err := in.Next()
		var row *incident.RowError
		switch {
		case errors.Is(err, io.EOF):
			return list, refused, nil
		case errors.As(err, &row):
			refused = append(refused, row)
			continue
		case err != nil:
			return list, refused, err
		}
		for _, f := range rec.Facts {
			if err := f.Check(); err != nil {
				t.Errorf("%s: %s: %v", rec.Place, f.Key, err)
			}
		}
		list = append(list, rec)
	}
}

func fact(rec incident.Record, key, item string) incident.Fact {
	for _, f := range rec.Facts {
		if f.Key == key && (item == "" || f.Item == item) {
			return f
		}
	}
	return incident.Fact{}
}

func TestHIBPWhole(t *testing.T) {
	list, refused, err := readAll(t, "hibp", dataFile(t, "hibp-breaches.json"), "")
	if err != nil || len(list) != 1026 || len(refused) != 0 {
		t.Fatalf("%d records, %d refused, %v", len(list), len(refused), err)
	}
	other := 0
	for _, rec := range list {
		for _, f := range rec.Facts {
			if strings.Contains(f.Value.Text.EN, "<a ") {
				t.Errorf("%s: prose of the source: %q", rec.ID, f.Value.Text.EN)
			}
			if f.Value.Word == "other" {
				other++
			}
		}
	}
	if other > 20 {
		t.Errorf("%d data classes have no word", other)
	}
	rec := list[0]
	if rec.ID != "hibp-000webhost" || rec.URL != "https://haveibeenpwned.com/Breach/000webhost" || rec.Licence != "CC BY 4.0" {
		t.Errorf("%+v", rec)
	}
	if f := fact(rec, "affected.count", ""); *f.Value.Number != 14936670 || f.Value.Unit != "accounts" {
		t.Errorf("%+v", f)
	}
	if f := fact(rec, "window.start", ""); f.Value.Qualifier != "about" || f.Value.Time.String() != "2015-03-01Z" {
		t.Errorf("%+v", f)
	}
}

const hibpSample = `[
 {"Name":"Alpha","Title":"Alpha","Domain":"alpha.example","BreachDate":"2015-03-09","AddedDate":"2015-10-26T23:35:45Z","ModifiedDate":"2015-10-27T23:35:45Z",
  "PwnCount":14,"Description":"<script>alert(1)</script>","DataClasses":["Email addresses","Spoons owned","Usernames"],"IsVerified":false,"IsSensitive":true},
 {"Name":"Made","Title":"Made up","BreachDate":"2015-03-09","PwnCount":1,"DataClasses":[],"IsVerified":true,"IsFabricated":true},
 {"Name":"Wrong","Title":"Wrong","BreachDate":"2015-03-09","PwnCount":"many","DataClasses":[]},
 {"Name":"Broken","Title":},
 17,
 {"Name":"Logs","Title":"Logs","BreachDate":"2020-05-05","ModifiedDate":"2020-06-05T00:00:00Z","PwnCount":3,"DataClasses":["Passwords"],"IsVerified":true,"IsStealerLog":true}
]`

func TestHIBPRows(t *testing.T) {
	list, refused, err := readAll(t, "b.json", strings.NewReader(hibpSample), "")
	if err != nil || len(list) != 2 || len(refused) != 4 {
		t.Fatalf("%d records, %v, %v", len(list), refused, err)
	}
	for i, want := range []string{"b.json:4 $[1]: IsFabricated: ", "b.json:5 $[2]: PwnCount: ", "b.json:6 $[3]: not JSON", "b.json:7 $[4]: "} {
		if !strings.HasPrefix(refused[i].Error(), want) {
			t.Errorf("%q, want %q", refused[i], want)
		}
	}
	alpha, logs := list[0], list[1]
	if f := fact(alpha, "data-class", "other:spoons-owned"); f.Value.Original != "Spoons owned" || f.Certainty != incident.Possible {
		t.Errorf("a class without a word: %+v", f)
	}
	if f := fact(alpha, "source", ""); f.Value.Text.EN != "Have I Been Pwned (unverified, sensitive)" || f.Value.SHA256 == "" {
		t.Errorf("%+v", f)
	}
	if f := fact(logs, "cause", ""); f.Value.Word != "malware" || fact(logs, "organisation", "").Key != "" {
		t.Errorf("%+v", logs)
	}
}
