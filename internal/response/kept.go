package response

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
)

// Kept is what is lost with a case's key.
type Kept struct {
	Entries  int64    // recorded, without those of notKept
	SHA256   string   // hex, over the hashes of these
	Evidence []string // hex SHA-256 of each piece
}

// notKept are the entries of who read a case, and of what was proposed of it: they come by looking at it.
var (
	notKept    = []string{"seen", "exported", "proposal"}
	onlyLooked = []string{"read", "verified", "exported"} // of evidence
)

// Kept gives what a case holds; of an incident without a case, nothing. It is for the program: whoever asks for it has been asked.
func (c *Cases) Kept(ctx context.Context, id string) (Kept, error) {
	k, err := c.get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Kept{Evidence: []string{}}, nil
	}
	if err != nil {
		return Kept{}, err
	}
	out, sum := Kept{Evidence: []string{}}, sha256.New()
	for _, e := range k.log {
		if slices.Contains(notKept, e.Kind()) || e.Body.Custody != nil && slices.Contains(onlyLooked, e.Body.Custody.What) {
			continue
		}
		b, err := json.Marshal(e, json.Deterministic(true))
		if err != nil {
			return Kept{}, fmt.Errorf("case %s: entry %d: %w", id, e.Seq, err)
		}
		hash := hashOf(b)
		out.Entries++
		sum.Write(hash[:])
	}
	out.SHA256 = hex.EncodeToString(sum.Sum(nil))
	for _, p := range k.Evidence {
		if p.Removed() {
			continue
		}
		out.Evidence = append(out.Evidence, p.SHA256)
	}
	return out, nil
}
