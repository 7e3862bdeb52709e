package datasets

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/incident"
)

// Response is what the response to an incident shows of it and facts do not.
type Response struct {
	By        string          // whose report was the moment of knowledge: customer, researcher, partner, police, other; "": nobody knows
	Known     incident.Moment // the moment of knowledge
	Contained incident.Moment // zero: not known
}

// outside are VERIS's words for who told.
var outside = map[string]string{"customer": "Customer", "researcher": "Security researcher", "police": "Law enforcement", "other": "Other"}

// WriteResponse writes one incident as VERIS 1.4.1, with what its response shows beside its facts: who discovered it, and how long
// containment took. Errors: ErrUndated.
func WriteResponse(w io.Writer, inc incident.Incident, r Response, exercise bool) error {
	v, err := verisWith(inc, nil, func(v *verisOut) {
		v.Plus.Exercise = exercise
		switch word := outside[r.By]; {
		case r.By == "partner":
			v.Discovery.Partner, v.Discovery.Unknown = &verisVariety{[]string{"Unknown"}}, false
		case word != "":
			v.Discovery.External, v.Discovery.Unknown = &verisVariety{[]string{word}}, false
		}
		if !r.Known.IsZero() && !r.Contained.IsZero() {
			v.Timeline.Containment = verisSpanOf(r.Known, r.Contained)
		}
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", inc.ID, err)
	}
	if err := json.MarshalWrite(w, []*verisOut{v}, json.Deterministic(true), jsontext.EscapeForHTML(true)); err != nil {
		return fmt.Errorf("write %s: %w", inc.ID, err)
	}
	_, err = io.WriteString(w, "\n")
	return err
}
