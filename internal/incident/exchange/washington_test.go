package exchange

import (
	"strings"
	"testing"

	"shirase/internal/incident"
)

func TestWashingtonWhole(t *testing.T) {
	list, refused, err := readAll(t, "wa", dataFile(t, "washington-ag-2026-08-13.csv"), "")
	if err != nil || len(list) != 1618 || len(refused) != 0 {
		t.Fatalf("%d records, %v, %v", len(list), refused, err)
	}
	causes := map[string]int{}
	for _, rec := range list {
		causes[fact(rec, "cause", "").Value.Word]++
		if fact(rec, "affected.count", "").Key != "" || fact(rec, "disclosed", "").Key != "" {
			t.Fatalf("%s: a part is taken for the whole, or a regulator for the public", rec.ID)
		}
	}
	if causes["ransomware"] != 563 || causes["other"] < 440 {
		t.Errorf("%v", causes)
	}
	rec := list[0]
	if rec.ID != "wa-10427" || rec.ExternalID != "10427" || rec.AsOf.String() != "2021-03-17-08:00" {
		t.Errorf("%+v", rec)
	}
	if v := fact(rec, "affected.part", "us-wa").Value; *v.Number != 695 || v.Unit != "persons" || v.Region != "US-WA" {
		t.Errorf("%+v", v)
	}
}

const washingtonHeader = `"DateAware","DateSubmitted","DataBreachCause","DateStart","DateEnd","Name","Id","CyberattackType","WashingtoniansAffected","IndustryType","BusinessType","EntityState"` + "\n"

func TestWashingtonRows(t *testing.T) {
	src := washingtonHeader +
		`"2021 Feb 04 12:00:00 AM","2021 Mar 17 12:00:00 AM","Cyberattack",,,"Alpha` + "\u00a0" + ` Inc. ","1,001","Other","1,234","Business","Shipping","WA "` + "\n" +
		`"2021 Feb 30 12:00:00 AM","2021 Mar 17 12:00:00 AM","Cyberattack",,,"Beta","1,002","Other","1","Business",,"WA"` + "\n" +
		`"","2021 Mar 17 12:00:00 AM","Theft or Mistake",,,"Gamma","1,003","","minus one","Health",,""` + "\n" +
		`"","2021 Mar 17 12:00:00 AM","Theft or Mistake",,,"Delta` + "\n" + `Two","1,004","","","Business","Biotech",""` + "\n" +
		`"",only two` + "\n" +
		`"","","Theft"x,,,"Epsilon","1,005","","","Health",,""` + "\n"
	list, refused, err := readAll(t, "wa.csv", strings.NewReader(src), "")
	if err != nil || len(list) != 2 || len(refused) != 4 {
		t.Fatalf("%d records, %v, %v", len(list), refused, err)
	}
	for i, want := range []string{`wa.csv:3: DateAware: "2021 Feb 30`, `wa.csv:4: WashingtoniansAffected: "minus one"`, "wa.csv:7: 2 fields", "wa.csv:8: not CSV"} {
		if !strings.HasPrefix(refused[i].Error(), want) {
			t.Errorf("%q, want %q", refused[i], want)
		}
	}
	alpha, delta := list[0], list[1]
	if v := fact(alpha, "organisation", "").Value; v.Text.EN != "Alpha Inc." {
		t.Errorf("%q", v.Text.EN)
	}
	if v := fact(alpha, "cause", "").Value; v.Word != "intrusion" || v.Original != "Cyberattack: Other" {
		t.Errorf("%+v", v)
	}
	if v := fact(alpha, "sector", "").Value; v.Word != "transport" || v.Original != "Shipping" {
		t.Errorf("%+v", v)
	}
	if f := fact(alpha, "country", ""); f.Value.Word != "US" || f.Certainty != incident.Confirmed || fact(delta, "country", "").Certainty != incident.Possible {
		t.Errorf("%+v", f)
	}
	if v := fact(delta, "sector", "").Value; v.Word != "other" || v.Original != "Business: Biotech" || fact(delta, "affected.part", "").Key != "" {
		t.Errorf("%+v", v)
	}
}
