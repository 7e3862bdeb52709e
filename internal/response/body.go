package response

import "slices"

// A Body is what an entry says: exactly one of its members.
//
// What can change (a question, an event, a promise) has the number of the entry that said it first, and later entries name that as
// their id; a task has a number of its own. Its version is the number of the entry that says how it stands, which whoever changes
// it names, so that no change is lost.
type Body struct {
	Declared  *Declared  `json:"declared,omitzero"`
	Regime    *Regime    `json:"regime,omitzero"`
	Started   *Started   `json:"started,omitzero"`
	Knows     *Knows     `json:"knows,omitzero"`
	Clock     *Marked    `json:"clock,omitzero"`
	Decision  *Decision  `json:"decision,omitzero"`
	Event     *Event     `json:"event,omitzero"`
	Report    *Report    `json:"report,omitzero"`
	Task      *Task      `json:"task,omitzero"`
	Closed    *Closed    `json:"closed,omitzero"`
	Question  *Question  `json:"question,omitzero"`
	Triage    *Triage    `json:"triage,omitzero"`
	Pasted    *Pasted    `json:"pasted,omitzero"`
	Passed    *Passed    `json:"passed,omitzero"`
	Promise   *Promise   `json:"promise,omitzero"`
	Handed    *Handed    `json:"handed,omitzero"`
	Note      *Note      `json:"note,omitzero"`
	Commander *Commander `json:"commander,omitzero"`
	Evidence  *Evidence  `json:"evidence,omitzero"`
	Custody   *Custody   `json:"custody,omitzero"`
	Seen      *Seen      `json:"seen,omitzero"`
	Exported  *Exported  `json:"exported,omitzero"`
	Proposal  *Proposal  `json:"proposal,omitzero"`
	Party     *Party     `json:"party,omitzero"`
	Informed  *Informed  `json:"informed,omitzero"`
	Portion   *Portion   `json:"portion,omitzero"`
	Stated    *Stated    `json:"stated,omitzero"`
	Sent      *Sent      `json:"sent,omitzero"`
}

// members are the bodies by the name of their member.
func (b Body) members() []struct {
	name  string
	there bool
} {
	return []struct {
		name  string
		there bool
	}{
		{"declared", b.Declared != nil}, {"regime", b.Regime != nil}, {"started", b.Started != nil}, {"knows", b.Knows != nil}, {"clock", b.Clock != nil},
		{"decision", b.Decision != nil}, {"event", b.Event != nil}, {"report", b.Report != nil}, {"task", b.Task != nil}, {"closed", b.Closed != nil},
		{"question", b.Question != nil}, {"triage", b.Triage != nil}, {"pasted", b.Pasted != nil}, {"passed", b.Passed != nil}, {"promise", b.Promise != nil},
		{"handed", b.Handed != nil}, {"note", b.Note != nil}, {"commander", b.Commander != nil}, {"evidence", b.Evidence != nil}, {"custody", b.Custody != nil},
		{"seen", b.Seen != nil}, {"exported", b.Exported != nil}, {"proposal", b.Proposal != nil},
		{"party", b.Party != nil}, {"informed", b.Informed != nil}, {"portion", b.Portion != nil},
		{"stated", b.Stated != nil}, {"sent", b.Sent != nil},
	}
}

// kind is the name of the one member that is there; "" where there is none, or are several.
func (b Body) kind() string {
	kind := ""
	for _, m := range b.members() {
		if !m.there {
			continue
		}
		if kind != "" {
			return ""
		}
		kind = m.name
	}
	return kind
}

// Kind is what an entry records: the name of its body's member.
func (e Entry) Kind() string { return e.Body.kind() }

// afterClose are the entries that a closed case still takes: who reads, takes out or hands over what it holds.
var afterClose = []string{"seen", "exported", "custody", "proposal"}

func (b Body) afterClose() bool { return slices.Contains(afterClose, b.kind()) }

// Declared opens a case.
type Declared struct {
	Title        string   `json:"title"`
	Organisation string   `json:"organisation"`
	Known        string   `json:"known"`             // when any department knew (知った時点), as a moment
	Happened     string   `json:"happened,omitzero"` // when it happened, as far as known
	Part         string   `json:"part"`              // own, processor (委託先), client (委託元), joint
	Illicit      bool     `json:"illicit,omitzero"`
	Persons      int64    `json:"persons,omitzero"` // as far as known; 0 is not known
	Commander    string   `json:"commander,omitzero"`
	Regimes      []string `json:"regimes,omitzero"`
	Playbook     string   `json:"playbook,omitzero"`
	Says         string   `json:"says,omitzero"` // what is known, in words
}

// Commander says who commands from now on.
type Commander struct {
	Name string `json:"name"`
	Why  string `json:"why,omitzero"`
}

// Regime says that a regime applies, or that it was considered and does not.
type Regime struct {
	ID      string `json:"id"`
	Refused bool   `json:"refused,omitzero"`
	Why     string `json:"why,omitzero"`
}

// Started says when something happened that starts clocks.
type Started struct {
	Trigger string `json:"trigger"`
	At      string `json:"at"`
}

// Knows says that something is so, or is not so, that clocks depend on.
type Knows struct {
	Word string `json:"word"`
	Is   bool   `json:"is"`
}

// Marked changes how a clock stands: done, suspended or running again.
type Marked struct {
	ID    string `json:"id"`
	State string `json:"state"` // done, suspended, running
	At    string `json:"at,omitzero"`
	Why   string `json:"why,omitzero"` // by which document, or why it waits
}

// Question is one that is to be decided.
type Question struct {
	ID       int64    `json:"id,omitzero"` // 0 in its first entry, as of all that have an entry's number
	Question string   `json:"question"`
	Options  []string `json:"options,omitzero"`
	Owner    string   `json:"owner,omitzero"`
	Due      string   `json:"due,omitzero"`
	State    string   `json:"state"` // open, decided, dropped
}

// Decision is one that was taken, on what was known then. It is never changed; a later one may stand in its place.
type Decision struct {
	Question string   `json:"question"`
	Options  []string `json:"options,omitzero"`
	Decision string   `json:"decision"`
	Why      string   `json:"why,omitzero"`
	Facts    []string `json:"facts,omitzero"`    // the facts it rests on, as they stood: key = value (certainty, as of)
	Of       int64    `json:"of,omitzero"`       // the question that it answers
	Replaces int64    `json:"replaces,omitzero"` // the entry of the decision in whose place it stands
}

// Event is something that happened, at its own time: a moment, no more exact than it is known, or RFC 3339 with seconds.
type Event struct {
	ID        int64  `json:"id,omitzero"`
	At        string `json:"at"`
	Text      string `json:"text"`
	Source    string `json:"source,omitzero"`
	From      string `json:"from,omitzero"` // the candidate or report that it was made of: "12.3", "report 9"
	Withdrawn bool   `json:"withdrawn,omitzero"`
	Why       string `json:"why,omitzero"` // it was changed or withdrawn
}

// Report is what somebody outside told. Its number is that of its entry.
type Report struct {
	At        string `json:"at"`
	From      string `json:"from"` // customer, researcher, partner, police, other
	Who       string `json:"who,omitzero"`
	Channel   string `json:"channel,omitzero"` // by which way it came: telephone, mail, form
	Text      string `json:"text"`
	Knowledge string `json:"knowledge,omitzero"` // whether it was the moment of knowledge: yes, no; "" nobody has said
}

// Triage says what came of a report: whether it was the moment of knowledge (知った時点), and why.
type Triage struct {
	Report    int64  `json:"report"`
	Knowledge string `json:"knowledge"` // yes, no
	Why       string `json:"why,omitzero"`
}

// Pasted is what somebody put in of a log or a chat: each item is a candidate for the timeline.
type Pasted struct {
	Source string      `json:"source"`
	Zone   string      `json:"zone"` // that times without one were read in: "+09:00"
	Items  []Candidate `json:"items"`
}

// Candidate is what a line says. What could not be read of its time is empty, and whoever takes it says it.
type Candidate struct {
	At   string `json:"at,omitzero"`
	Who  string `json:"who,omitzero"`
	Text string `json:"text"`
}

// Passed says that candidates are no part of the timeline.
type Passed struct {
	Candidates []string `json:"candidates"`
	Why        string   `json:"why,omitzero"`
}

// Promise is one to tell more until a time.
type Promise struct {
	ID    int64  `json:"id,omitzero"`
	Text  string `json:"text"`
	Due   string `json:"due"`
	State string `json:"state"`       // open, kept, withdrawn
	At    string `json:"at,omitzero"` // when it was kept
	Why   string `json:"why,omitzero"`
}

// Task is something to do, as it stands from now on.
type Task struct {
	ID    int64  `json:"id"`
	Title string `json:"title"`
	Owner string `json:"owner,omitzero"`
	Due   string `json:"due,omitzero"`
	State string `json:"state"` // open, doing, done, dropped
	Note  string `json:"note,omitzero"`
}

// Handed gives tasks to somebody else, all at once.
type Handed struct {
	To    string  `json:"to"`
	Tasks []int64 `json:"tasks"`
	Note  string  `json:"note,omitzero"`
}

// Note is a remark; @name in it is a mention.
type Note struct {
	On   string `json:"on,omitzero"` // what it is about: "task 3", "report 9"
	Text string `json:"text"`
}

// Evidence is something that was taken in as it was: its bytes are sealed under the case's key, and
// its hash is here. Its number is that of its entry.
type Evidence struct {
	Name      string `json:"name"`
	Size      int64  `json:"size"`   // bytes
	SHA256    string `json:"sha256"` // hex, made while it arrived
	Source    string `json:"source,omitzero"`
	Collected string `json:"collected,omitzero"` // when it was secured, where that is known
	By        string `json:"by,omitzero"`        // who secured it
	Note      string `json:"note,omitzero"`
	Use       string `json:"use,omitzero"` // "" evidence; accounts: an export that the scope is worked out from, which can be removed
}

// UseAccounts is the use of an export of accounts.
const UseAccounts = "accounts"

// Custody is one link of the chain of custody of a piece of evidence.
type Custody struct {
	Evidence int64  `json:"evidence"`
	What     string `json:"what"` // read, verified, exported, handed-over, returned, removed
	To       string `json:"to,omitzero"`
	Why      string `json:"why,omitzero"`
}

// Seen says that whoever made the entry looked at the case on a day; once a day and person.
type Seen struct {
	Day  string `json:"day"` // of UTC
	What string `json:"what"`
}

// Exported says that the record as far as this was taken out.
type Exported struct {
	Entries  int64 `json:"entries"`
	Evidence bool  `json:"evidence,omitzero"` // with the bytes of evidence
}

// Proposal is what became of something that cannot be undone, and needs a second person.
type Proposal struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"` // publish, notice, retire, shred, ...
	State  string `json:"state"`
	SHA256 string `json:"sha256"` // of exactly what is proposed
	Effect string `json:"effect,omitzero"`
	Why    string `json:"why,omitzero"`
}

// Party is somebody outside whom the case concerns: a client whose data they were, a processor, an insurer, the police.
type Party struct {
	ID      string `json:"id"` // 1 to 64 of a-z, 0-9 and -
	Name    string `json:"name"`
	Kind    string `json:"kind"`             // client (委託元), processor (委託先), joint, insurer, police, regulator, other
	Contact string `json:"contact,omitzero"` // how they are reached
	Regime  string `json:"regime,omitzero"`  // what is owed to them by contract: contract-acme
	Key     string `json:"key,omitzero"`     // age recipient that their part of the scope is sealed to
	Note    string `json:"note,omitzero"`    // what of it is theirs
	Left    bool   `json:"left,omitzero"`    // it was found that the case does not concern them
}

// Informed says what a party was told, and when.
type Informed struct {
	Party string `json:"party"`
	At    string `json:"at"`
	What  string `json:"what"`
	By    string `json:"by,omitzero"` // by which way: mail, telephone, in person
}

// Portion is a party's part of the scope: counts, never who.
type Portion struct {
	Party      string           `json:"party"`
	Roster     string           `json:"roster"` // its id, under which it is sealed here
	Affected   int64            `json:"affected"`
	Identities map[string]int64 `json:"identities,omitzero"`
	Exported   int64            `json:"exported,omitzero"` // members handed over, sealed to Key
	Key        string           `json:"key,omitzero"`
}

// Stated is what is said of an item of documents beside the facts, for authorities alone. Nothing of it is public.
type Stated struct {
	Item    string `json:"item"` // of internal/response/document: cause, prevention, ...
	Text    string `json:"text,omitzero"`
	Unknown bool   `json:"unknown,omitzero"` // it was asked, and is not known (未確認)
}

// Sent says that a document was handed in or sent, as the evidence of that number holds it. Its number is that of its entry.
type Sent struct {
	Kind     string   `json:"kind"`
	Evidence int64    `json:"evidence"` // the entry of what was kept of it
	To       string   `json:"to"`
	At       string   `json:"at"`
	By       string   `json:"by,omitzero"` // by which way
	Clocks   []string `json:"clocks,omitzero"`
	Complete bool     `json:"complete,omitzero"`
}

// Closed ends a case.
type Closed struct {
	Why     string   `json:"why"`
	Despite string   `json:"despite,omitzero"` // why it was closed although something that keeps it open was
	Open    []string `json:"open,omitzero"`    // what that was
}
