package datasets

import (
	"errors"
	"maps"
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
	if want := map[string]int{"ransomware": 563, "intrusion": 361, "malware": 224, "phishing": 111, "web-skimming": 17, "other": 342}; !maps.Equal(causes, want) {
		t.Errorf("%v, want %v", causes, want)
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
	if v := fact(alpha, "cause", "").Value; v.Word != "other" || v.Original != "Cyberattack: Other" {
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

// TestWashingtonDownloads: the columns that there are and the forms of dates differ between the State's downloads, and
// between those and what a spreadsheet saves; what they say is the same.
func TestWashingtonDownloads(t *testing.T) {
	for name, src := range map[string]string{
		"without EntityState": "DateAware,DateSubmitted,DataBreachCause,DateStart,DateEnd,Name,Id,CyberattackType,WashingtoniansAffected,IndustryType,BusinessType,Year\n" +
			"07/16/2020 12:00:00 AM,08/03/2020 12:00:00 AM,Cyberattack,02/07/2020 12:00:00 AM,,Alpha University,10389,Ransomware,1239,Education,,2020\n",
		"by the data portal's API": "dateaware,datesubmitted,databreachcause,datestart,name,id,cyberattacktype,washingtoniansaffected,industrytype\n" +
			"2020-07-16T00:00:00.000,2020-08-03T00:00:00.000,Cyberattack,2020-02-07T00:00:00.000,Alpha University,10389,Ransomware,1239,Education\n",
		"saved by a spreadsheet": "\ufeffId,Name,Date Aware,Date Submitted,Date Start,Data Breach Cause,Cyberattack Type,Washingtonians Affected,Industry Type\r\n" +
			"\"10,389\",Alpha University,7/16/2020 0:00,8/3/2020 0:00,2/7/2020 0:00,Cyberattack,Ransomware,\"1,239\",Education\r\n",
		"saved by a Japanese one": "Id,Name,DateAware,DateSubmitted,DateStart,DataBreachCause,CyberattackType,WashingtoniansAffected,IndustryType\n" +
			"10389,Alpha University,2020/7/16,2020/8/3,2020/2/7,Cyberattack,Ransomware,1239,Education\n",
		"by a program that takes counts for fractions": "Name,Id,DateSubmitted,DateAware,DateStart,DataBreachCause,CyberattackType,WashingtoniansAffected,IndustryType\n" +
			"Alpha University,10389.0,2020-08-03,2020-07-16 00:00:00,\"Feb 7, 2020\",Cyberattack,Ransomware,1239.0,Education\n",
	} {
		list, refused, err := readAll(t, "wa.csv", strings.NewReader(src), "")
		if err != nil || len(list) != 1 || len(refused) != 0 {
			t.Errorf("%s: %d records, %v, %v", name, len(list), refused, err)
			continue
		}
		rec := list[0]
		for key, want := range map[string]string{"discovered": "2020-07-16-08:00", "regulator-notified": "2020-08-03-08:00", "window.start": "2020-02-07-08:00"} {
			if got := fact(rec, key, "").Value.Time.String(); got != want {
				t.Errorf("%s: %s %s, want %s", name, key, got, want)
			}
		}
		if v := fact(rec, "affected.part", "us-wa").Value; v.Number == nil || *v.Number != 1239 {
			t.Errorf("%s: %+v", name, v)
		}
		if rec.ID != "wa-10389" || fact(rec, "cause", "").Value.Word != "ransomware" || fact(rec, "country", "").Certainty != incident.Possible {
			t.Errorf("%s: %+v", name, rec)
		}
	}
	// What a row does not say is no fact, and what cannot be told apart is refused.
	src := "Id,Name,DateAware,DateSubmitted,WashingtoniansAffected\n1,Alpha,,,Unknown\n2,Beta,16/07/2020,,\n3,Gamma,07/16/20,,\n"
	list, refused, err := readAll(t, "wa.csv", strings.NewReader(src), "")
	if err != nil || len(list) != 1 || len(refused) != 2 || fact(list[0], "affected.part", "us-wa").Key != "" || fact(list[0], "cause", "").Key != "" {
		t.Errorf("%+v, %v, %v", list, refused, err)
	}
	for _, header := range []string{"WashingtoniansAffected,Name\n1,Alpha\n", "Id,WashingtoniansAffected\n1,2\n", "Id,Name,EntityState,entitystate,DataBreachCause,DateSubmitted\n"} {
		if _, err := Open("wa.csv", strings.NewReader(header), "", ""); !errors.Is(err, ErrSource) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// TestWashingtonCauses holds what each pair of the State's two columns is called here: unauthorised access is an intrusion, and
// a cyberattack of which nothing more is said is not.
func TestWashingtonCauses(t *testing.T) {
	for _, c := range []struct{ cause, attack, word, original string }{
		{"Unauthorized Access", "", "intrusion", "Unauthorized Access"},
		{"Unauthorized Access", "Other", "intrusion", "Unauthorized Access: Other"},
		{"Unauthorized Access", "Phishing", "phishing", "Unauthorized Access: Phishing"},
		{"Cyberattack", "Other", "other", "Cyberattack: Other"},
		{"Cyberattack", "Unclear/unknown", "other", "Cyberattack: Unclear/unknown"},
		{"Cyberattack", "", "other", "Cyberattack"},
		{"Cyberattack", "Ransomware", "ransomware", ""},
		{"Theft or Mistake", "", "other", "Theft or Mistake"},
		{"", "", "", ""},
	} {
		if word, original := washingtonCause(c.cause, c.attack); word != c.word || original != c.original {
			t.Errorf("%q, %q: %q, %q", c.cause, c.attack, word, original)
		}
	}
}
