package check

import (
	"cmp"
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

// EndedRevision is an earlier revision of an incident, which was sealed under a
// key that has ended: nobody can be asked any more whether somebody was in it.
type EndedRevision struct {
	ID       string `json:"id"`
	Revision string `json:"revision"`
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

	// What keeps an answer from being complete; nil where there is nothing, and in answers saved before there were words for it.
	Sampled  []string        `json:"sampled,omitzero"`  // incidents in a fold whose own layer was not compared, and in which nothing was found
	Ended    []EndedRevision `json:"ended,omitzero"`    // earlier revisions, which count the kind and cannot be asked any more
	Unlisted []string        `json:"unlisted,omitzero"` // ended keys of which the statement does not say what was sealed under them
}

// Complete reports whether something was checked, and nothing is missing: what
// was wanted of the server was given, no fold was taken at its word, and no
// earlier revision is beyond being asked. Who saves an answer can leave a part
// out, and say that the server did: an incomplete "not in scope" speaks of
// Checked only.
func (v *Verdict) Complete() bool {
	return len(v.Checked) > 0 && !v.Missing() && len(v.Sampled) == 0 && len(v.Ended) == 0 && len(v.Unlisted) == 0
}

// Missing reports whether a part of the index was wanted of the server and not given.
func (v *Verdict) Missing() bool {
	return slices.ContainsFunc(v.NotCovered, func(n NotCovered) bool { return n.Why == WhyLayerMissing })
}

// before returns the verdict as it was put before there were words for what
// could not be asked.
func (v Verdict) before() *Verdict {
	v.Sampled, v.Ended, v.Unlisted = nil, nil, nil
	return &v
}

// version1 returns the verdict as version 1 put it.
func (v Verdict) version1() *Verdict {
	v = *v.before()
	v.Dropped, v.Unreadable, v.Compromised = nil, nil, nil
	if v.Result == Incomplete {
		v.Result = Open
		if len(v.Checked) > 0 {
			v.Result = NotInScope
		}
	}
	return &v
}

// got is what was verified of an identity: the outputs by key, the groups by
// layer, and the roots of the sources that folds were compared with. A layer
// without a group is one that the server could not give.
type got struct {
	outputs  map[string]*Output
	groups   map[Hash]*Group
	compared map[Hash]bool
}

// found is what was got, while it is looked through.
type found struct {
	got
	st    *Statement
	kind  string
	place map[placed]*Layer
	root  map[placed]Hash     // of the source
	ended map[string][]string // revisions of an incident that count the kind and cannot be asked any more, ascending
}

// conclude draws the verdict, incident by incident.
func conclude(st *Statement, id identity.Identity, g got) (*Verdict, error) {
	f := &found{got: g, st: st, kind: string(id.Kind), place: map[placed]*Layer{}, root: map[placed]Hash{}, ended: st.ended(string(id.Kind))}
	for i := range st.Layers {
		for _, s := range st.Layers[i].Sources {
			f.place[placed{s.Incident, s.Revision}] = &st.Layers[i]
			f.root[placed{s.Incident, s.Revision}] = s.Root
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
	for i := range st.Keys {
		if k := &st.Keys[i]; k.State == KeyEnded && k.Held == nil {
			v.Unlisted = append(v.Unlisted, k.ID)
		}
	}
	switch {
	case len(v.Incidents) > 0:
		v.Result = Affected
	case v.Missing():
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
	sampled := f.sampled(in.ID, in.Revision, in.Counts)
	for i := range in.Superseded {
		s := &in.Superseded[i]
		classes, gone, err := f.entry(in.ID, s.Revision, s.Counts, s.Sets)
		if err != nil {
			return "", err
		}
		if classes != nil {
			v.Dropped = append(v.Dropped, DroppedFinding{in.ID, s.Revision, classes})
		} else {
			sampled = sampled || f.sampled(in.ID, s.Revision, s.Counts)
		}
		missing = missing || gone
	}
	if sampled {
		v.Sampled = append(v.Sampled, in.ID)
	}
	for _, revision := range f.ended[in.ID] {
		v.Ended = append(v.Ended, EndedRevision{in.ID, revision})
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

// sampled reports whether a revision that counts the kind is in a fold that was
// given, and its own layer was not compared with that: a fold that lacks its
// entries says "no" as an honest one does.
func (f *found) sampled(incident, revision string, counts map[string]int64) bool {
	l := f.place[placed{incident, revision}]
	return counts[f.kind] > 0 && f.groups[l.ID] != nil && len(l.Sources) > 1 && !f.compared[f.root[placed{incident, revision}]]
}

// ended returns the revisions of each incident that count a kind and were sealed
// under keys that have ended, ascending.
func (s *Statement) ended(kind string) map[string][]string {
	out := map[string][]string{}
	for i := range s.Keys {
		for _, h := range s.Keys[i].Held {
			if h.Counts[kind] > 0 {
				out[h.Incident] = append(out[h.Incident], h.Revision)
			}
		}
	}
	for _, revisions := range out {
		slices.SortFunc(revisions, func(a, b string) int { return cmp.Compare(number(a), number(b)) })
	}
	return out
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
