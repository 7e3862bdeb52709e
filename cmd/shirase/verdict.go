package main

import (
	"fmt"
	"io"
	"strings"

	"shirase/check"
	"shirase/internal/language"
)

// reasons say why an incident could not be checked.
var reasons = map[string]string{
	check.WhyInvestigating:  "its scope is still under investigation",
	check.WhyKindNotIndexed: "it holds no identities of this kind",
	check.WhyByMail:         "it is sensitive, and answered by mail only",
	check.WhyRetired:        "it is closed, and answered no more",
	check.WhyWithdrawn:      "it was published by mistake",
	check.WhyReopened:       "its scope is examined again, and you are not in what was sealed so far",
	check.WhyLayerMissing:   "the server could not give its part of the index",
}

func printVerdict(w io.Writer, v *check.Verdict) {
	asOf := language.DateTime(language.EN, v.AsOf.Time)
	switch v.Result {
	case check.Affected:
		fmt.Fprintf(w, "Affected, as of %s (statement %s).\n", asOf, language.Digits(v.Seq))
		for _, f := range v.Incidents {
			fmt.Fprintf(w, "  %s: %s\n", f.ID, strings.Join(f.Classes, ", "))
		}
	case check.NotInScope:
		fmt.Fprintf(w, "Not in the published scope of %s, as of %s (statement %s).\n", compared(len(v.Checked)), asOf, language.Digits(v.Seq))
	case check.Incomplete:
		fmt.Fprintf(w, "Incomplete, as of %s (statement %s): the server did not give everything that belongs to an answer. This is no \"no\".\n", asOf, language.Digits(v.Seq))
	default:
		fmt.Fprintf(w, "Nothing could be checked yet, as of %s (statement %s).\n", asOf, language.Digits(v.Seq))
	}
	for _, d := range v.Dropped {
		fmt.Fprintf(w, "In revision %s of %s, and not in its current one: %s. Whoever published it left you out later.\n", d.Revision, d.ID, strings.Join(d.Classes, ", "))
	}
	if v.Result != check.Incomplete && len(v.Checked) > 0 && v.Missing() {
		fmt.Fprintln(w, "Incomplete: parts of the index were not given, so this speaks of the incidents checked and of no other.")
	}
	fmt.Fprintf(w, "Checked: %s.\n", incidentsCount(len(v.Checked)))
	for _, u := range v.Unreadable {
		fmt.Fprintf(w, "Not readable: %s of %s are in no index, because no address of this kind could be read in them.\n", accountsCount(u.N), u.ID)
	}
	for _, id := range v.Compromised {
		fmt.Fprintf(w, "Compromised: the key of %s may be in other hands. Who has it can test addresses that they know.\n", id)
	}
	for _, e := range v.Ended {
		fmt.Fprintf(w, "Cannot be asked any more: revision %s of %s was sealed under a key that has ended. Whether you were in it nobody can tell now.\n", e.Revision, e.ID)
	}
	for _, k := range v.Unlisted {
		fmt.Fprintf(w, "Cannot be asked any more: key %s has ended, and the statement does not say what was sealed under it.\n", k)
	}
	if n := len(v.Sampled); n > 0 {
		fmt.Fprintf(w, "Taken at its word: %s (%s) in a joint layer that was not compared with their own. --audit compares all.\n", incidentsCount(n), strings.Join(v.Sampled, ", "))
	}
	for _, n := range v.NotCovered {
		fmt.Fprintf(w, "Not covered: %s: %s.\n", n.ID, reasons[n.Why])
	}
}

// printVouched says who stands behind an answer.
func printVouched(w io.Writer, v check.Vouched) {
	fmt.Fprintf(w, "Vouched for by the ledger %s (key %s)", v.Origin, v.Key)
	if v.PinnedSince != nil {
		fmt.Fprintf(w, ", remembered since %s", language.DateTime(language.EN, v.PinnedSince.Time))
		if v.Host != "" {
			fmt.Fprintf(w, " from %s", v.Host)
		}
	}
	witnesses := "none"
	if len(v.Witnesses) > 0 {
		witnesses = strings.Join(v.Witnesses, ", ")
	}
	fmt.Fprintf(w, ". Witnesses: %s", witnesses)
	if v.WitnessesChanged != nil {
		fmt.Fprintf(w, ", in the place of others since %s", language.DateTime(language.EN, v.WitnessesChanged.Time))
	}
	fmt.Fprintln(w, ".")
	if v.Organisation != "" {
		fmt.Fprintf(w, "Published by %s.\n", v.Organisation)
	}
}

// compared says what a "no" speaks of.
func compared(n int) string {
	if n == 1 {
		return "the one incident that was compared"
	}
	return "any of the " + language.Digits(int64(n)) + " incidents that were compared"
}

func incidentsCount(n int) string {
	if n == 1 {
		return "1 incident"
	}
	return language.Digits(int64(n)) + " incidents"
}

func accountsCount(n int64) string {
	if n == 1 {
		return "1 account"
	}
	return language.Digits(n) + " accounts"
}
