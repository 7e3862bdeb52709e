// Package actor says who does something, and what they may do. Everything that changes what is recorded or published takes an
// Actor, so that no door can leave it out, and keeps it beside what was changed; everything private that is read takes one
// too. It is never part of what is signed or shown.
//
// # How a room asks
//
// One line, first thing, in the function that does it; id is the case (the incident), or "" for what belongs to none:
//
//	if err := who.May(actor.Contribute, id); err != nil {
//		return nil, hidden(err) // below
//	}
//
// The answer is nil or wraps one sentinel: [ErrNobody]; [ErrHidden], where they may not know that there is such a case;
// [ErrRole], [ErrAccess] or [ErrHeld], where they may know and may not do it. A room gives for ErrHidden the very error that
// it gives for what is not there, so that lists, counts, feeds, search and errors tell nobody of a case that is not theirs:
//
//	if errors.Is(err, actor.ErrHidden) {
//		return ErrNotFound
//	}
//
// Whatever lists, counts or searches keeps only what [Actor.Sees] says, before it counts or cuts.
//
// Whoever declares a case has it from then on ([Actor.With]); the room that keeps grants, internal/staff, is told by the use case
// in the same transaction.
//
// # What cannot be undone
//
// Publishing, mail, blocking, lifting, shredding, and what makes or unmakes people, ask for a passkey that was used for that
// very thing. A door has it sign a challenge that belongs to a name for the act ("approve " and the digest of the bytes), and
// the Actor of that one request says so:
//
//	if err := who.Confirmed("approve " + digest); err != nil { // ErrUnconfirmed
//
// It lasts for one request, and for nothing else: another digest is another act. The operator of the host and the server have no
// passkey, and never confirm anything.
package actor

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Errors of this package.
var (
	// ErrNobody reports a change that nobody answers for.
	ErrNobody = errors.New("nobody is named who does this")
	// ErrHidden reports a case that they may not know of. Whoever hears it is told what is told of a case that is not there.
	ErrHidden = errors.New("there is no such case for them")
	// ErrRole reports that none of their roles allows it.
	ErrRole = errors.New("none of your roles allows this")
	// ErrAccess reports that their roles allow it, and their access to this case does not.
	ErrAccess = errors.New("your access to this case does not allow this")
	// ErrHeld reports an approver who is one since too short a time.
	ErrHeld = errors.New("a new approver cannot approve yet")
	// ErrUnconfirmed reports that a fresh passkey is asked for.
	ErrUnconfirmed = errors.New("your passkey has to confirm this")
)

// A Role is what a member of the staff is for. One person may have several; an auditor has no other.
type Role string

// The roles, in the order in which they are shown.
const (
	Commander     Role = "commander"     // runs a case: decides, proposes, gives access to it
	Writer        Role = "writer"        // facts, documents, notices; proposes
	Approver      Role = "approver"      // approves what somebody else proposes
	Desk          Role = "desk"          // answers who asks, and records what is reported
	Auditor       Role = "auditor"       // reads everything, and changes nothing
	Administrator Role = "administrator" // people and keys; sees no case by it, and publishes nothing
)

// Roles lists them.
func Roles() []Role { return []Role{Commander, Writer, Approver, Desk, Auditor, Administrator} }

// A Permission is a kind of act. [Roles] have them; access to a case narrows them.
type Permission int

// The permissions. Those of the first group are of one case.
const (
	See        Permission = iota // read the case, and all that belongs to it
	Contribute                   // add to it: events, reports from outside, evidence, notes, tasks
	Answer                       // answer people, and see what they asked
	Write                        // facts, documents, drafts of notices; its scope
	Command                      // decisions, clocks, regimes, parties, handing over, playbooks
	Propose                      // propose what cannot be undone: publish, mail, block, lift, shred
	Approve                      // approve what somebody else proposed
	Remove                       // take something away: evidence, an export's entries; close and reopen
	Share                        // give and take access to it

	Declare // open a case
	Record  // record what others disclosed, in the archive
	People  // accounts, roles, invitations
	Keys    // keys and settings
	Audit   // read what the staff and the machine did
)

// Permissions lists them, with the name of each.
func Permissions() []Permission {
	out := make([]Permission, len(names))
	for i := range out {
		out[i] = Permission(i)
	}
	return out
}

var names = [...]string{See: "see", Contribute: "contribute", Answer: "answer", Write: "write", Command: "command", Propose: "propose", Approve: "approve",
	Remove: "remove", Share: "share", Declare: "declare", Record: "record", People: "people", Keys: "keys", Audit: "audit"}

func (p Permission) String() string { return names[p] }

// OfCase reports whether the permission is of one case, and not of the whole instance.
func (p Permission) OfCase() bool { return p < Declare }

// table says what each role allows.
var table = map[Role][]Permission{
	Commander:     {See, Contribute, Answer, Write, Command, Propose, Remove, Share, Declare, Record},
	Writer:        {See, Contribute, Write, Propose, Declare, Record},
	Approver:      {See, Contribute, Approve},
	Desk:          {See, Contribute, Answer},
	Auditor:       {See, Audit},
	Administrator: {People, Keys, Audit},
}

// Allows reports whether the role allows p, in a case where access is full.
func (r Role) Allows(p Permission) bool { return slices.Contains(table[r], p) }

// Access is how far somebody may go in one case.
type Access int

// The kinds of access. Each holds those before it.
const (
	None        Access = iota
	Reads              // sees it
	Contributes        // does all that their roles allow, and takes nothing away
	Full               // takes away too, and gives others access
)

var accesses = [...]string{None: "none", Reads: "read", Contributes: "contribute", Full: "full"}

func (a Access) String() string { return accesses[a] }

// ParseAccess reads what String writes, without "none".
func ParseAccess(s string) (Access, bool) {
	i := slices.Index(accesses[:], s)
	return Access(i), i > 0
}

// needs says which access a permission of a case wants.
func needs(p Permission) Access {
	switch p {
	case See:
		return Reads
	case Remove, Share:
		return Full
	}
	return Contributes
}

// Every stands for all cases in a member's access, those to come as well.
const Every = "*"

// A Member is somebody of the staff, as internal/staff knows them in one request.
type Member struct {
	ID     string // their pseudonym, which stays in what they did when the account is gone: never a name or an address
	Roles  []Role
	Access map[string]Access // by case; [Every] is all of them

	ApproverSince time.Time // when they became one; zero: they are none
	Held          time.Time // until then they cannot approve; zero: they can
	Confirms      string    // the act that their passkey signed for in this request; "" is none
}

type kind int

const (
	nobody kind = iota
	operator
	server
	member
)

// An Actor is a person or a program, and the door that it came in by. The zero Actor is nobody, and may change nothing.
type Actor struct {
	kind       kind
	name, door string
	m          Member
}

// Operator is whoever runs the command line: who can read the data folder and its keys is the operator. They may do
// everything but approve, and confirm nothing.
func Operator() Actor { return Actor{kind: operator, name: "operator", door: "command line"} }

// Server is the running server, which reissues statements and records the scripts that it serves.
func Server() Actor { return Actor{kind: server, name: "shirase", door: "server"} }

// Staff is a member of the staff who came in by a door, such as "console".
func Staff(m Member, door string) Actor {
	if m.ID == "" {
		return Actor{}
	}
	m.Roles = slices.Clone(m.Roles)
	return Actor{kind: member, name: m.ID, door: door, m: m}
}

// String is the form that is kept: "operator by command line".
func (a Actor) String() string {
	if a.kind == nobody {
		return ""
	}
	return a.name + " by " + a.door
}

// ID is the pseudonym of a member of the staff; "operator" and "shirase" of the others, "" of nobody.
func (a Actor) ID() string { return a.name }

// Person reports whether it is a member of the staff: somebody who has a passkey, and can be a second person.
func (a Actor) Person() bool { return a.kind == member }

// Host reports whether it is whoever runs the command line, and so has the data folder and its keys.
func (a Actor) Host() bool { return a.kind == operator }

// Door is what they came in by.
func (a Actor) Door() string { return a.door }

// Has reports whether a member of the staff has a role.
func (a Actor) Has(r Role) bool { return a.kind == member && slices.Contains(a.m.Roles, r) }

// ApproverSince is when a member became an approver, which is shown beside what they approve; zero where they are none.
func (a Actor) ApproverSince() time.Time { return a.m.ApproverSince }

// With gives the same person with access to one case more, which they have just declared.
func (a Actor) With(id string, access Access) Actor {
	if a.kind != member {
		return a
	}
	more := map[string]Access{id: access}
	for k, v := range a.m.Access {
		more[k] = max(v, more[k])
	}
	a.m.Access = more
	return a
}

// Check refuses the zero Actor. what names the change.
func (a Actor) Check(what string) error {
	if a.kind == nobody {
		return fmt.Errorf("%s: %w", what, ErrNobody)
	}
	return nil
}

// Sees reports whether they may know of a case.
func (a Actor) Sees(id string) bool { return a.May(See, id) == nil }

// May says whether they may do what p allows: in the case id, or, where p is of no case, with id "".
//
// Errors: ErrNobody, ErrHidden, ErrRole, ErrAccess, ErrHeld.
func (a Actor) May(p Permission, id string) error {
	err := a.may(p, id)
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}

func (a Actor) may(p Permission, id string) error {
	switch {
	case a.kind == nobody:
		return ErrNobody
	case a.kind != member:
		if p == Approve { // a second person is a person
			return ErrRole
		}
		return nil
	case !p.OfCase():
		if !a.allows(p) {
			return ErrRole
		}
		return nil
	}
	access := a.access(id)
	switch {
	case access < Reads || !a.allows(See):
		return ErrHidden
	case !a.allows(p):
		return ErrRole
	case access < needs(p):
		return ErrAccess
	case p == Approve && !a.m.Held.IsZero():
		return fmt.Errorf("%w: from %s", ErrHeld, a.m.Held.UTC().Format(time.RFC3339))
	}
	return nil
}

func (a Actor) allows(p Permission) bool {
	return slices.ContainsFunc(a.m.Roles, func(r Role) bool { return r.Allows(p) })
}

// access is how far a member may go in a case. An auditor reads all.
func (a Actor) access(id string) Access {
	access := max(a.m.Access[id], a.m.Access[Every])
	if slices.Contains(a.m.Roles, Auditor) {
		access = max(access, Reads)
	}
	return access
}

// ReadsOnly reports whether somebody reads one case, and does nothing else anywhere: no other case, nothing of the instance, and nothing that
// their roles would allow with more access.
func (a Actor) ReadsOnly(id string) bool {
	if a.kind != member || id == "" || id == Every || a.access(id) != Reads || slices.Contains(a.m.Roles, Auditor) {
		return false
	}
	for of, access := range a.m.Access {
		if of != id && access > None {
			return false
		}
	}
	for _, p := range Permissions() {
		if p != See && a.may(p, id) == nil {
			return false
		}
	}
	return a.may(See, id) == nil
}

// Confirmed says whether their passkey signed for this very act in this request. ErrUnconfirmed where it did not.
func (a Actor) Confirmed(act string) error {
	if a.kind != member || act == "" || a.m.Confirms != act {
		return fmt.Errorf("%w", ErrUnconfirmed)
	}
	return nil
}
