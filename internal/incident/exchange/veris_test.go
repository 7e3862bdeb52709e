package exchange

import (
	"os"
	"strings"
	"testing"

	"shirase/internal/incident"
)

func TestVERIS(t *testing.T) {
	src, err := os.Open("testdata/veris.json")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	list, refused, err := readAll(t, "v.json", src, "")
	if err != nil || len(list) != 2 || len(refused) != 3 {
		t.Fatalf("%d records, %v, %v", len(list), refused, err)
	}
	for i, want := range []string{"v.json:15 $[2]: security_incident", "v.json:16 $[3]: timeline.incident", "v.json:17 $[4]: schema_version"} {
		if !strings.HasPrefix(refused[i].Error(), want) {
			t.Errorf("%q, want %q", refused[i], want)
		}
	}
	alpha, beta := list[0], list[1]
	for key, want := range map[string]string{"organisation": "Alpha Clinic", "sector": "health NAICS 622110", "country": "JP", "cause": "ransomware hacking: Exploit vuln; malware: Ransomware",
		"window.start": "2024-05-19Z", "discovered": "2024-05-21Z about"} {
		v := fact(alpha, key, "").Value
		got := strings.Join(strings.Fields(v.Text.EN+" "+v.Word+" "+v.Original+" "+v.Time.String()+" "+v.Qualifier), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if v := fact(alpha, "affected.count", "").Value; *v.Number != 4000 || v.Unit != "records" {
		t.Errorf("%+v", v)
	}
	if fact(alpha, "data-class", "other:spoons").Value.Original != "Spoons" || fact(alpha, "data-class", "health").Key == "" || fact(alpha, "source", "reference-2").Key == "" {
		t.Errorf("%+v", alpha.Facts)
	}
	if fact(beta, "data-class", "").Key != "" || fact(beta, "affected.count", "").Key != "" {
		t.Error("what was not disclosed is said to have been")
	}
	if f := fact(beta, "cause", ""); f.Value.Word != "misdelivery" || f.Certainty != incident.Possible || fact(beta, "country", "").Key != "" {
		t.Errorf("%+v", f)
	}
	if !strings.Contains(fact(beta, "title", "").Value.Text.EN, "2023") || fact(beta, "window.start", "").Key != "" {
		t.Errorf("%+v", beta.Facts)
	}
}
