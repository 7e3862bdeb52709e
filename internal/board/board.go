// Package board puts together what a war room looks at: how one case stands, of all rooms, on one page. It records nothing and holds nothing of
// its own: each figure is one that a room gives, beside as of when. What nobody knows is left out or null, and never 0.
//
// It is put together once for a case and a change, by the server, and shared by all who look ([Boards.Get]): whoever shows it asks first
// whether they may see the case, and shows nothing of it else.
package board

import (
	"encoding/json"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Board is how a case stands.
type Board struct {
	Case         string    `json:"case"`
	Title        string    `json:"title"`
	Organisation string    `json:"organisation"`
	Commander    string    `json:"commander,omitzero"` // as it is kept; a person's pseudonym
	At           time.Time `json:"at"`                 // as of
	Closed       bool      `json:"closed"`

	Phase string `json:"phase"` // the furthest of Steps that was reached
	Steps []Step `json:"steps"`

	Clocks         Clocks          `json:"clocks"`
	Containment    *Containment    `json:"containment"` // null: there is no gate here
	Scope          Scope           `json:"scope"`
	Told           Told            `json:"told"`
	Reset          *Reset          `json:"reset"`     // null: nothing was ever said of one
	Enquiries      *Enquiries      `json:"enquiries"` // null: there is no desk here
	Spread         *Spread         `json:"spread"`    // null: nothing of the kind is kept here
	Watching       *int64          `json:"watching"`  // people who are told of incidents to come, of the whole instance; null: nobody can be
	Contradictions []Contradiction `json:"contradictions"`
	Promises       []Promise       `json:"promises"`
	Silence        Silence         `json:"silence"`
	Tasks          []Task          `json:"tasks"` // open, the nearest due first
	Asks           []Ask           `json:"asks"`  // what else the case asks for
	Decisions      []Decision      `json:"decisions"`
	Unknown        []language.Text `json:"unknown"` // what a situation report would say, and nobody knows
}

// Step is a milestone of a case.
type Step struct {
	ID   string          `json:"id"`
	At   incident.Moment `json:"at,omitzero"` // zero: not yet, or nobody has recorded it
	From string          `json:"from,omitzero"`
}

// Reached reports whether it is recorded.
func (s Step) Reached() bool { return !s.At.IsZero() }

// The milestones, in their order.
const (
	Noticed    = "noticed"
	CutOff     = "cut-off"
	ScopeKnown = "scope-known"
	Published  = "published"
	ToldStep   = "told"
	ResetOpen  = "reset-open"
	ClosedStep = "closed"
)

// Clock is a deadline as it stands.
type Clock struct {
	ID       string          `json:"id"`
	Name     language.Text   `json:"name"`
	Due      incident.Moment `json:"due,omitzero"`
	End      time.Time       `json:"end,omitzero"`
	State    string          `json:"state"`
	Verified bool            `json:"verified"`
	Soft     bool            `json:"soft"`
	Done     incident.Moment `json:"done,omitzero"`
}

// Clocks are the deadlines of law and contract; promises stand apart.
type Clocks struct {
	Next    []Clock `json:"next"` // that run or are over, the nearest due first
	Met     []Clock `json:"met"`
	Waiting int     `json:"waiting"` // that something has to start, or that were suspended
	None    bool    `json:"none"`    // nobody has said yet which law applies
}

// Route is a way in.
type Route struct {
	Name  string    `json:"name"`
	State string    `json:"state"`
	Since time.Time `json:"since,omitzero"`
	Ours  bool      `json:"ours"` // this case has closed it
}

// Hold is what the accounts of the roster meet.
type Hold struct {
	Hold   string    `json:"hold"`
	People int64     `json:"people"`
	Done   int64     `json:"done"` // have done what it asks
	Since  time.Time `json:"since"`
}

// Containment is how the gate stands.
type Containment struct {
	Routes   []Route `json:"routes"`
	Accounts []Hold  `json:"accounts"`
	Ever     bool    `json:"ever"` // this case has declared something at some time
}

// Excluded is a rule of the scope.
type Excluded struct {
	Rule string `json:"rule"`
	N    int64  `json:"n"`
}

// Figure is a number as the facts tell it.
type Figure struct {
	N         int64           `json:"n"`
	Unit      string          `json:"unit"`
	Qualifier string          `json:"qualifier,omitzero"`
	AsOf      incident.Moment `json:"asOf,omitzero"`
}

// Scope is who is affected.
type Scope struct {
	State    string     `json:"state"` // of the facts: final, investigating, ...; "" nobody has said
	Base     *int64     `json:"base"`  // rows of the export
	Excluded []Excluded `json:"excluded"`
	Other    int64      `json:"other"` // rows that count for nobody: later rows of one account, and those that cannot be used
	Affected *int64     `json:"affected"`
	Revision *int       `json:"revision"` // the how manieth scope
	AsOf     time.Time  `json:"asOf,omitzero"`
	Facts    *Figure    `json:"facts"`     // affected.count, as it is recorded
	BaseSaid *Figure    `json:"baseFacts"` // base.count
}

// Campaign is how one campaign stands, of its recipients.
type Campaign struct {
	ID      string           `json:"id"`
	Channel string           `json:"channel"`
	Subject language.Text    `json:"subject"`
	State   string           `json:"state"`
	Counts  map[string]int64 `json:"counts"`
	Total   int64            `json:"total"`
}

// Told is whom everything that was done has told, each person of the roster once. Its parts add up to Roster.
type Told struct {
	Roster    *int64     `json:"roster"` // null: there is none
	Begun     bool       `json:"begun"`
	Counting  bool       `json:"counting"`    // what follows is of At, and is being counted anew
	At        time.Time  `json:"at,omitzero"` // zero: it was not counted yet, and the rest is null
	Accounts  bool       `json:"accounts"`    // people are accounts; else addresses and numbers are counted
	Parts     *Parts     `json:"parts"`
	Other     int        `json:"otherRosters"` // campaigns over rosters before, which nobody can put beside this one
	Campaigns []Campaign `json:"campaigns"`
}

// Parts divide a roster.
type Parts struct {
	Accepted    int64 `json:"accepted"`   // the receiving server, the post or the network has taken it
	HandedOver  int64 `json:"handedOver"` // the relay or the house has it, and nothing more is known
	Read        int64 `json:"read"`       // shown at their login, and they said that they have read it
	Substituted int64 `json:"substituted"`
	Unreached   int64 `json:"unreached"` // bounced or refused, and nothing else was done yet
	Uncertain   int64 `json:"uncertain"`
	Underway    int64 `json:"underway"`
	Nothing     int64 `json:"nothing"`  // in no campaign yet
	Unlisted    int64 `json:"unlisted"` // affected accounts that the roster cannot name
}

// Notified are those who were told by something.
func (p Parts) Notified() int64 { return p.Accepted + p.HandedOver + p.Read }

// Remaining are those who are still to be told.
func (p Parts) Remaining() int64 {
	return p.Unreached + p.Uncertain + p.Underway + p.Nothing + p.Unlisted
}

// All is the roster.
func (p Parts) All() int64 { return p.Notified() + p.Substituted + p.Remaining() }

// MarshalJSON writes the parts with what they come to.
func (p Parts) MarshalJSON() ([]byte, error) {
	type parts Parts
	return json.Marshal(struct {
		parts
		Notified  int64 `json:"notified"`
		Remaining int64 `json:"remaining"`
	}{parts(p), p.Notified(), p.Remaining()})
}

// Reset is the forced reset.
type Reset struct {
	State    string    `json:"state"` // announced, opened, closed, reopened, lifted
	Since    time.Time `json:"since"`
	Promised time.Time `json:"promised,omitzero"`
	Accounts *int64    `json:"accounts"` // null: nothing was ordered yet
	Reset    int64     `json:"reset"`
	Forced   int64     `json:"forced"`   // cannot sign in before they reset
	Underway int64     `json:"underway"` // being forced, or reset, or tried again
	Waiting  int64     `json:"waiting"`  // nothing was done yet
	Left     int64     `json:"left"`     // gone, refused by the system, or unknown: people look at them
	Unlisted int64     `json:"unlisted"`
}

// Enquiries are what people ask, against those who answer.
type Enquiries struct {
	Used     bool      `json:"used"` // the desk was ever opened
	Open     bool      `json:"open"`
	Waiting  int64     `json:"waiting"`
	Late     int64     `json:"late"`
	Oldest   time.Time `json:"oldest,omitzero"` // of those that wait, when it came
	Answered int64     `json:"answered"`        // answered, or closed
	LastHour int64     `json:"lastHour"`        // that came in the last hour
	LastDay  int64     `json:"lastDay"`
	Handlers int64     `json:"handlers"` // people who have one that waits

	Calls   *float64       `json:"callsPerHour"` // the fullest hour of a week; null: no call was recorded
	Staff   *int           `json:"staff"`        // who answer calls at once; null: nobody has said
	Wait    *time.Duration `json:"-"`            // that callers expect on average; null: not known
	Seconds *float64       `json:"expectedWaitSeconds"`
	Grows   bool           `json:"queueGrows"` // more calls than they can answer
	Needed  *int           `json:"staffNeeded"`
}

// Spread is where people say that the data circulates.
type Spread struct {
	Reported  int64 `json:"reported"` // and nobody has looked
	Known     int64 `json:"known"`
	TakenDown int64 `json:"takenDown"`
}

// Contradiction is something that was said and is not so any more, or that cannot be so.
type Contradiction struct {
	Kind  string        `json:"kind"` // facts, notice, document, figure, answer
	Where language.Text `json:"where"`
	What  language.Text `json:"what"`
	Was   language.Text `json:"was,omitzero"`
	Is    language.Text `json:"is,omitzero"`
}

// Promise is one that was made.
type Promise struct {
	ID    string          `json:"id"`
	What  language.Text   `json:"what"`
	Due   incident.Moment `json:"due"`
	About bool            `json:"about,omitzero"`
	Kept  incident.Moment `json:"kept,omitzero"`
	Fate  string          `json:"fate"` // open, kept, slipped, unsaid: its time is over, and nothing says what became of it
}

// Silence is between public words.
type Silence struct {
	Words   int             `json:"words"`
	Said    []time.Time     `json:"said"`           // when, in order
	First   time.Time       `json:"first,omitzero"` // zero: nothing was said in public
	Last    time.Time       `json:"last,omitzero"`
	Before  *Gap            `json:"untilFirst"` // from knowledge to the first word, or until now
	Longest *Gap            `json:"longest"`    // null: there was one word at most
	Current *Gap            `json:"current"`    // null: the case is over, or nothing was said
	Next    incident.Moment `json:"next,omitzero"`
}

// Gap is a time without a word.
type Gap struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	Seconds float64   `json:"seconds"`
}

// Long is how long it is.
func (g Gap) Long() time.Duration { return g.To.Sub(g.From) }

func gap(from, to time.Time) *Gap { return &Gap{from, to, to.Sub(from).Seconds()} }

// Task is something to do.
type Task struct {
	ID    int64     `json:"id"`
	Title string    `json:"title"`
	Owner string    `json:"owner,omitzero"` // as it is kept; "": nobody
	State string    `json:"state"`
	Due   time.Time `json:"due,omitzero"`
	Late  bool      `json:"late"`
}

// Ask is what the case asks for beside tasks, clocks and promises.
type Ask struct {
	Kind string        `json:"kind"`
	Text language.Text `json:"text"`
	Due  time.Time     `json:"due,omitzero"`
	Late bool          `json:"late"`
}

// Decision is one that stands.
type Decision struct {
	Entry    int64     `json:"entry"`
	Question string    `json:"question"`
	Decision string    `json:"decision"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
}
