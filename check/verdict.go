package check

import (
	"fmt"
	"slices"

	"shirase/identity"
)

// Result is the one word of an answer. There is no word for "you are safe".
type Result string

const (
	Affected   Result = "affected"      // at least one entry is this identity's
	Incomplete Result = "incomplete"    // something that should have been asked was not given; version 2
	NotInScope Result = "not-in-scope"  // in none of the final incidents that were checked
	Open       Result = "investigating" // nothing final could be checked
)

// Why an incident could not be checked.
const (
	WhyInvestigating  = "investigating"    // its scope is not settled yet
	WhyReopened       = "reopened"         // its scope is examined again, and what was sealed holds no entry
	WhyKindNotIndexed = "kind-not-indexed" // it holds no identities of this kind
	WhyByMail         = "by-mail"          // it is sensitive and answered by mail only
	WhyRetired        = "retired"          // its key is gone
	WhyWithdrawn      = "withdrawn"        // its id was a mistake
	WhyLayerMissing   = "layer-missing"    // the server could not give its part of the index
)

// Finding is an incident that affects the identity, and what was exposed.
type Finding struct {
	ID      string   `json:"id"`
	Classes []string `json:"classes"`
}

// DroppedFinding is an entry of an earlier revision of an incident, which the
// current one does not have: somebody was left out later.
type DroppedFinding struct {
	ID       string   `json:"id"`
	Revision string   `json:"revision"`
	Classes  []string `json:"classes"`
}

// NotCovered is an incident of which an answer says nothing, and why.
type NotCovered struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Unreadable says how many accounts or rows of an incident that was checked have
// no readable identity of the kind that was asked about: they are in no index.
type Unreadable struct {
	ID string `json:"id"`
	N  int64  `json:"n"`
}

// Verdict is what an answer says. Those of version 1 lack Dropped, Unreadable
// and Compromised.
type Verdict struct {
	Result      Result           `json:"result"`
	AsOf        Time             `json:"asOf"` // the statement's time
	Seq         int64            `json:"seq"`
	Checked     []string         `json:"checked"`   // incidents that were sealed and checked
	Incidents   []Finding        `json:"incidents"` // those that affect the identity
	Dropped     []DroppedFinding `json:"dropped,omitzero"`
	NotCovered  []NotCovered     `json:"notCovered"`
	Unreadable  []Unreadable     `json:"unreadable,omitzero"`
	Compromised []string         `json:"compromised,omitzero"` // checked under a key that somebody else may have
}

// Complete reports whether something was checked, and nothing is missing that
// was wanted of the server. Who saves an answer can leave a part out, and say
// that the server did: an incomplete "not in scope" speaks of Checked only.
func (v *Verdict) Complete() bool { return len(v.Checked) > 0 && !v.missing() }

func (v *Verdict) missing() bool {
	return slices.ContainsFunc(v.NotCovered, func(n NotCovered) bool { return n.Why == WhyLayerMissing })
}

// version1 returns the verdict as version 1 put it.
func (v Verdict) version1() *Verdict {
	v.Dropped, v.Unreadable, v.Compromised = nil, nil, nil
	if v.Result == Incomplete {
		v.Result = Open
		if len(v.Checked) > 0 {
			v.Result = NotInScope
		}
	}
	return &v
}

// found is what was verified of an identity: the outputs by key, and the groups
// by layer. A layer without a group is one that the server could not give.
type found struct {
	st      *Statement
	kind    string
	outputs map[string]*Output
	groups  map[Hash]*Group
	place   map[placed]*Layer
}

// conclude draws the verdict, incident by incident.
func conclude(st *Statement, id identity.Identity, outputs map[string]*Output, groups map[Hash]*Group) (*Verdict, error) {
	f := &found{st, string(id.Kind), outputs, groups, map[placed]*Layer{}}
	for i := range st.Layers {
		for _, s := range st.Layers[i].Sources {
			f.place[placed{s.Incident, s.Revision}] = &st.Layers[i]
		}
	}
	v := &Verdict{AsOf: st.Time, Seq: st.Seq, Checked: []string{}, Incidents: []Finding{}, Dropped: []DroppedFinding{}, NotCovered: []NotCovered{},
		Unreadable: []Unreadable{}, Compromised: []string{}}
	for i := range st.Incidents {
		in := &st.Incidents[i]
		why, err := f.incident(v, in)
		if err != nil {
			return nil, err
		}
		if why != "" {
			v.NotCovered = append(v.NotCovered, NotCovered{in.ID, why})
			continue
		}
		v.Checked = append(v.Checked, in.ID)
		if n := in.Unreadable[f.kind] + in.Unreadable[Rows]; n > 0 {
			v.Unreadable = append(v.Unreadable, Unreadable{in.ID, n})
		}
		if st.Key(f.place[placed{in.ID, in.Revision}].Key).State == KeyCompromised {
			v.Compromised = append(v.Compromised, in.ID)
		}
	}
	switch {
	case len(v.Incidents) > 0:
		v.Result = Affected
	case v.missing():
		v.Result = Incomplete
	case len(v.Checked) > 0:
		v.Result = NotInScope
	default:
		v.Result = Open
	}
	return v, nil
}

// incident looks an incident up: in its current revision, and where that holds
// no entry in those before it. It says why the incident counts as not checked;
// "" where it does.
func (f *found) incident(v *Verdict, in *Incident) (why string, err error) {
	switch in.State {
	case Investigating:
		return WhyInvestigating, nil
	case ByMail:
		return WhyByMail, nil
	case Retired:
		return WhyRetired, nil
	case Withdrawn:
		return WhyWithdrawn, nil
	}
	classes, missing, err := f.entry(in.ID, in.Revision, in.Counts, in.Sets)
	if err != nil {
		return "", err
	}
	if classes != nil {
		v.Incidents = append(v.Incidents, Finding{in.ID, classes})
		return "", nil
	}
	indexed := in.Counts[f.kind] > 0
	for i := range in.Superseded {
		s := &in.Superseded[i]
		classes, gone, err := f.entry(in.ID, s.Revision, s.Counts, s.Sets)
		if err != nil {
			return "", err
		}
		if classes != nil {
			v.Dropped = append(v.Dropped, DroppedFinding{in.ID, s.Revision, classes})
		}
		missing = missing || gone
	}
	switch {
	case missing:
		return WhyLayerMissing, nil
	case !indexed:
		return WhyKindNotIndexed, nil
	case in.State == Reopened:
		return WhyReopened, nil
	}
	return "", nil
}

// entry looks for the identity's entry in one revision and gives the classes
// that were exposed; nil where there is none. missing says that the server did
// not give the layer.
func (f *found) entry(incident, revision string, counts map[string]int64, sets [][]string) (classes []string, missing bool, err error) {
	if counts[f.kind] == 0 {
		return nil, false, nil
	}
	l := f.place[placed{incident, revision}]
	g := f.groups[l.ID]
	if g == nil {
		return nil, true, nil
	}
	y := f.outputs[l.Key]
	set, ok, err := y.find(g.bucket(y).Entries, f.st.Key(l.Key).LocatorBits, incident, revision)
	if err != nil || !ok {
		return nil, false, err
	}
	if int(set) >= len(sets) {
		return nil, false, fmt.Errorf("incident %s: exposure set %d: %w", incident, set, ErrEntry)
	}
	return sets[set], false, nil
}
