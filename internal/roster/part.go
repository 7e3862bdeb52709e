package roster

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/go-json-experiment/json"
)

// partLine is a line of an export of a roster (docs/FORMAT.md, a party's list).
type partLine struct {
	V        int      `json:"v,omitzero"` // of the first line: 1
	Incident string   `json:"incident,omitzero"`
	Part     string   `json:"part,omitzero"`
	Affected int64    `json:"affected,omitzero"`
	Kind     string   `json:"kind,omitzero"`
	Value    string   `json:"value,omitzero"`
	Classes  []string `json:"classes,omitzero"`
	Locale   string   `json:"locale,omitzero"`
	Accounts []string `json:"accounts,omitzero"`
	More     int64    `json:"moreAccounts,omitzero"`
	End      bool     `json:"end,omitzero"`
	Members  int64    `json:"members,omitzero"` // of the last line
}

// Export writes a roster to w as JSON Lines in an age file that only the recipient can open: who is in it leaves this program
// for somebody who answers for it too, and for nobody on the way. Its first line says what it is of, its last how many members
// there were. What was written before an error must not be used; it has no last line.
//
// Errors: those of Members.
func (r *Rosters) Export(ctx context.Context, roster Roster, to age.Recipient, w io.Writer) (members int64, err error) {
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		return 0, fmt.Errorf("seal a part of the roster of %s: %w", roster.Incident, err)
	}
	out := bufio.NewWriterSize(sealed, 64<<10)
	line := func(l partLine) error {
		b, err := json.Marshal(l, json.Deterministic(true))
		if err == nil {
			_, err = out.Write(append(b, '\n'))
		}
		return err
	}
	if err := line(partLine{V: 1, Incident: roster.Incident, Part: roster.Part, Affected: roster.Counts.Affected}); err != nil {
		return 0, err
	}
	for m, err := range r.Members(ctx, roster) {
		if err != nil {
			return members, err
		}
		if err := line(partLine{Kind: string(m.Identity.Kind), Value: m.Identity.Value, Classes: roster.Sets[m.Set], Locale: m.Locale, Accounts: m.Accounts, More: m.MoreAccounts}); err != nil {
			return members, err
		}
		members++
	}
	if err := line(partLine{End: true, Members: members}); err != nil {
		return members, err
	}
	if err := out.Flush(); err != nil {
		return members, err
	}
	return members, sealed.Close()
}
