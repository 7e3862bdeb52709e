package main

import (
	"testing"

	"shirase/internal/enquiry"
)

// TestDeskTakes: mails that bring enquiries wait for a desk that is closed or behind, and not for one that nobody has.
func TestDeskTakes(t *testing.T) {
	for _, c := range []struct {
		load enquiry.Load
		yes  bool
	}{
		{enquiry.Load{}, true},
		{enquiry.Load{Used: true}, false},
		{enquiry.Load{Used: true, Open: true}, true},
		{enquiry.Load{Used: true, Open: true, Waiting: 5000, Late: lateMost}, true},
		{enquiry.Load{Used: true, Open: true, Waiting: 5000, Late: lateMost + 1}, false},
	} {
		if o := takes(c.load); o.Yes != c.yes || !o.Yes && (o.Why.JA == "" || o.Why.EN == "") {
			t.Errorf("%+v: %+v", c.load, o)
		}
	}
}
