package datasets

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"shirase/internal/incident"
)

// TestVERISResponse: what a response shows is valid VERIS, and what is written is read back as the same incident.
func TestVERISResponse(t *testing.T) {
	moment := func(s string) incident.Moment {
		m, err := incident.ParseMoment(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	file, err := incident.ParseFactsFile("f", []byte("id: shop\nasOf: \"2026-08-20T16:00+09:00\"\nfacts: [{key: title, value: A case}, {key: organisation, value: Shop}, {key: window.start, value: \"2026-08-17T20:51+09:00\"}, {key: discovered, value: \"2026-08-18T10:09+09:00\"}]"))
	if err != nil {
		t.Fatal(err)
	}
	inc := incident.Incident{ID: "shop", Facts: file.Facts}
	for by, want := range map[string]string{"customer": `"discovery_method":{"external":{"variety":["Customer"]}}`, "researcher": `"Security researcher"`, "police": `"Law enforcement"`, "other": `"Other"`,
		"partner": `"discovery_method":{"partner":{"variety":["Unknown"]}}`, "": `"discovery_method":{"unknown":true}`} {
		var b bytes.Buffer
		if err := WriteResponse(&b, inc, Response{By: by, Known: moment("2026-08-18T10:09+09:00"), Contained: moment("2026-08-20T10:57+09:00")}, false); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b.Bytes(), []byte(want)) || !bytes.Contains(b.Bytes(), []byte(`"containment":{"unit":"Days","value":2}`)) {
			t.Errorf("%q: %s", by, &b)
		}
		r, err := Open("f", bytes.NewReader(b.Bytes()), VERIS, "")
		if err != nil {
			t.Fatal(err)
		}
		rec, err := r.Next()
		if err != nil || rec.ID != "shop" {
			t.Errorf("%q: %+v, %v", by, rec, err)
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		list, err := jsonschema.UnmarshalJSON(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := verisSchema(t).Validate(list.([]any)[0]); err != nil {
			t.Errorf("%q: %v", by, err)
		}
	}
	if err := WriteResponse(io.Discard, incident.Incident{ID: "x"}, Response{}, false); !errors.Is(err, ErrUndated) {
		t.Error(err)
	}
}
