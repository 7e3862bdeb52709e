package check

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/identity"
)

// MaxAnswer bounds an answer file, in bytes.
const MaxAnswer = 64 << 20

// ErrAnswer says that an answer file is malformed or contradicts itself.
var ErrAnswer = errors.New("not a valid answer file")

// Result is the one word of an answer. There is no word for "you are safe".
type Result string

const (
	Affected   Result = "affected"      // at least one entry is this identity's
	NotInScope Result = "not-in-scope"  // in none of the final incidents that were checked
	Open       Result = "investigating" // nothing final could be checked
)

// Why an incident could not be checked.
const (
	WhyInvestigating  = "investigating"    // its scope is not settled yet
	WhyKindNotIndexed = "kind-not-indexed" // it holds no identities of this kind
	WhyByMail         = "by-mail"          // it is sensitive and answered by mail only
	WhyRetired        = "retired"          // its key is gone
	WhyLayerMissing   = "layer-missing"    // the server could not give its part of the index
)

// Finding is an incident that affects the identity, and what was exposed.
type Finding struct {
	ID      string   `json:"id"`
	Classes []string `json:"classes"`
}

// NotCovered is an incident of which an answer says nothing, and why.
type NotCovered struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// Verdict is what an answer says.
type Verdict struct {
	Result     Result       `json:"result"`
	AsOf       Time         `json:"asOf"` // the statement's time
	Seq        int64        `json:"seq"`
	Checked    []string     `json:"checked"`   // final incidents that were actually sealed and checked
	Incidents  []Finding    `json:"incidents"` // those that affect the identity
	NotCovered []NotCovered `json:"notCovered"`
}

// Complete reports whether the server gave every part of the index that was
// wanted of it. Who saves an answer can leave a part out, and say that the
// server did: an incomplete "not in scope" speaks of Checked only.
func (v *Verdict) Complete() bool {
	return !slices.ContainsFunc(v.NotCovered, func(n NotCovered) bool { return n.Why == WhyLayerMissing })
}

// Bytes are bytes written as unpadded base64url.
type Bytes []byte

// MarshalText gives unpadded base64url.
func (b Bytes) MarshalText() ([]byte, error) {
	return []byte(base64.RawURLEncoding.EncodeToString(b)), nil
}

// UnmarshalText reads strict unpadded base64url.
func (b *Bytes) UnmarshalText(text []byte) error {
	v, err := decode64(string(text), -1)
	*b = v
	return err
}

// PersonalData is the sentence every answer file carries.
const PersonalData = "This file is personal data: it names an address and says what was found. Give it only to whom you would tell that."

// Answer is what a check returns with all that proves it: an answer file.
type Answer struct {
	V            int            `json:"v"`    // 1
	Type         string         `json:"type"` // "shirase answer"
	PersonalData string         `json:"personalData"`
	Claimed      Time           `json:"claimed"` // the asker's own clock: a claim, not evidence
	Identity     AnswerIdentity `json:"identity"`
	Verdict      Verdict        `json:"verdict"`
	Statement    Bytes          `json:"statement"`
	Proof        string         `json:"proof"` // c2sp.org/tlog-proof@v1 of the statement
	Evaluations  []Evaluation   `json:"evaluations"`
	Buckets      []AnswerBucket `json:"buckets"`
}

// AnswerIdentity is whom the answer is about: kind and canonical value.
type AnswerIdentity struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// Evaluation is what one evaluator key made of the identity.
type Evaluation struct {
	Key       string `json:"key"`
	Blind     Bytes  `json:"blind"`     // 32 bytes
	Evaluated Bytes  `json:"evaluated"` // 32 bytes
	Proof     Bytes  `json:"proof"`     // 64 bytes
}

// AnswerBucket is one layer's bucket as it travelled, without padding. The
// bucket's number is not in the file: it follows from the identity.
type AnswerBucket struct {
	Layer Hash  `json:"layer"`
	Bytes Bytes `json:"bytes"`
}

const answerType = "shirase answer"

// Encode gives the answer file.
func (a *Answer) Encode() ([]byte, error) {
	b, err := json.Marshal(a, json.FormatNilSliceAsNull(false), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return append(b, '\n'), nil
}

// ParseAnswer reads an answer file. Unknown and duplicate members are refused.
// It proves nothing: VerifyAnswer does.
func ParseAnswer(b []byte) (*Answer, error) {
	if len(b) > MaxAnswer {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrAnswer, MaxAnswer)
	}
	a := new(Answer)
	if err := json.Unmarshal(b, a, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	// Spacing and order are free; every member has to be there, and nothing
	// may be read as something else than it says (null as empty, 1.0 as 1).
	given := jsontext.Value(bytes.Clone(b))
	if err := given.Canonicalize(); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrAnswer, err)
	}
	if read, err := canonical(a); err != nil || !bytes.Equal(given, read) {
		return nil, fmt.Errorf("%w: a member is missing, or is not of its kind", ErrAnswer)
	}
	if a.V != 1 || a.Type != answerType || a.PersonalData != PersonalData {
		return nil, fmt.Errorf("%w: it is not version 1 of %q", ErrAnswer, answerType)
	}
	return a, nil
}

// VerifyAnswer recomputes an answer file from the identity and the blinds and
// gives what it proves. It trusts the policy and nothing in the file: a file
// that brings its own ledger is not evidence.
func VerifyAnswer(file []byte, policy *Policy) (*Answer, error) {
	a, err := ParseAnswer(file)
	if err != nil {
		return nil, err
	}
	id, err := canonicalIdentity(a.Identity)
	if err != nil {
		return nil, err
	}
	if err := VerifyInclusion(KindStatement, a.Statement, a.Proof, policy); err != nil {
		return nil, fmt.Errorf("statement: %w", err)
	}
	st, err := ParseStatement(a.Statement)
	if err != nil {
		return nil, err
	}
	if a.Claimed.Before(st.Time.Add(-clockSkew)) || !a.Claimed.Before(st.Expires.Time) {
		return nil, fmt.Errorf("%w: it claims to have been asked when its statement was not valid", ErrAnswer)
	}
	outputs := map[string]*Output{}
	for _, e := range a.Evaluations {
		key := st.Key(e.Key)
		if key == nil || outputs[e.Key] != nil {
			return nil, fmt.Errorf("%w: evaluations: key %q is unknown or twice there", ErrAnswer, e.Key)
		}
		blinded, err := BlindWith(id.Input(), e.Blind)
		if err != nil {
			return nil, err
		}
		out, err := Finalize(key.Public, []*Blinded{blinded}, [][]byte{e.Evaluated}, e.Proof)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", e.Key, err)
		}
		outputs[e.Key] = &out[0]
	}
	buckets := map[Hash]*Bucket{}
	for _, b := range a.Buckets {
		l := st.layer(b.Layer)
		if l == nil || buckets[b.Layer] != nil || outputs[l.Key] == nil {
			return nil, fmt.Errorf("%w: buckets: layer %s is unknown, twice there or without an evaluation", ErrAnswer, b.Layer)
		}
		bucket, err := ParseBucket(b.Bytes, outputs[l.Key].Bucket(l.Bits), l.Root, l.Bits, 0)
		if err != nil {
			return nil, err
		}
		if n := len(bucket.Bytes()); n != len(b.Bytes) || n > l.Pad {
			return nil, fmt.Errorf("%w: its length is not what its count says", ErrBucket)
		}
		buckets[b.Layer] = bucket
	}
	v, err := conclude(st, id, outputs, buckets)
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(*v, a.Verdict) {
		return nil, fmt.Errorf("%w: its verdict is not what its evidence shows (%s)", ErrAnswer, v.Result)
	}
	return a, nil
}

// e164Pattern is the form of a canonical telephone number. Which numbers exist
// changes with the numbering plans; a saved answer must not.
var e164Pattern = regexp.MustCompile(`^\+[1-9][0-9]{4,14}$`)

// canonicalIdentity requires that the identity is written canonically, so
// that a file cannot be about one address and show another.
func canonicalIdentity(a AnswerIdentity) (identity.Identity, error) {
	id := identity.Identity{Kind: identity.Kind(a.Kind), Value: a.Value}
	var canonical identity.Identity
	var err error
	switch id.Kind {
	case identity.KindEmail:
		canonical, err = identity.ParseEmail(a.Value)
	case identity.KindPhone:
		if e164Pattern.MatchString(a.Value) {
			canonical = id
		}
	case identity.KindAccount:
		organisation, account, _ := strings.Cut(a.Value, "\x00")
		canonical, err = identity.NewAccount(organisation, account)
	}
	if err != nil {
		return identity.Identity{}, fmt.Errorf("%w: identity: %w", ErrAnswer, err)
	}
	if canonical != id || id.Value == "" {
		return identity.Identity{}, fmt.Errorf("%w: identity: kind and value are not canonical", ErrAnswer)
	}
	return id, nil
}

func (s *Statement) layer(id Hash) *Layer {
	for i := range s.Layers {
		if s.Layers[i].ID == id {
			return &s.Layers[i]
		}
	}
	return nil
}

// Bucket gives the number of the bucket of a layer of 2^bits buckets.
func (y *Output) Bucket(bits int) int64 { return bucketOf(y[:3], bits) }

// conclude draws the verdict from what was verified: the statement, the
// outputs by key, and the buckets by layer. A layer without a bucket is one
// the server could not give.
func conclude(st *Statement, id identity.Identity, outputs map[string]*Output, buckets map[Hash]*Bucket) (*Verdict, error) {
	v := &Verdict{AsOf: st.Time, Seq: st.Seq, Checked: []string{}, Incidents: []Finding{}, NotCovered: []NotCovered{}}
	place := map[string]*Layer{}
	for i := range st.Layers {
		for _, s := range st.Layers[i].Sources {
			place[s.Incident] = &st.Layers[i]
		}
	}
	for i := range st.Incidents {
		in := &st.Incidents[i]
		why := ""
		l := place[in.ID]
		switch {
		case in.State == Investigating:
			why = WhyInvestigating
		case in.State == ByMail:
			why = WhyByMail
		case in.State == Retired:
			why = WhyRetired
		case in.Counts[string(id.Kind)] == 0:
			why = WhyKindNotIndexed
		case buckets[l.ID] == nil:
			why = WhyLayerMissing
		}
		if why != "" {
			v.NotCovered = append(v.NotCovered, NotCovered{in.ID, why})
			continue
		}
		set, ok, err := outputs[l.Key].find(buckets[l.ID].Entries, st.Key(l.Key).LocatorBits, in.ID, in.Revision)
		if err != nil {
			return nil, err
		}
		v.Checked = append(v.Checked, in.ID)
		if !ok {
			continue
		}
		if int(set) >= len(in.Sets) {
			return nil, fmt.Errorf("incident %s: exposure set %d: %w", in.ID, set, ErrEntry)
		}
		v.Incidents = append(v.Incidents, Finding{in.ID, in.Sets[set]})
	}
	switch {
	case len(v.Incidents) > 0:
		v.Result = Affected
	case len(v.Checked) > 0:
		v.Result = NotInScope
	default:
		v.Result = Open
	}
	return v, nil
}
