package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/incident"
	"shirase/internal/web"
)

func (a *app) cmdVerify() *cobra.Command {
	var policyFile, proofFile string
	var vkeys []string
	c := &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a saved answer or a published notice, without asking anyone",
		Long: `Recomputes everything in an answer file from the address in it, and trusts only
the ledger key that you give or that was remembered: a file that brings its own
ledger is not evidence. With --proof, FILE is what was published (a notice or a
statement, as its page offers it) and the proof shows that it is in the ledger.`,
		Example: `  shirase verify answer.json
  shirase verify answer.json --ledger-key 'notice.example.org+4b1c2d3e+AbCd...'
  shirase verify notice.json --proof notice.proof`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if proofFile != "" {
				return a.verifyPublished(c.Context(), args[0], proofFile, vkeys, policyFile)
			}
			answer, err := verifyFile(c.Context(), args[0], vkeys, policyFile)
			var usage usageError
			var unreadable *fs.PathError
			if errors.As(err, &usage) || errors.As(err, &unreadable) { // nothing is said of the file's content
				return err
			}
			if err != nil {
				if a.json {
					a.print(map[string]any{"valid": false, "failed": check.Code(err), "error": oneLine(err.Error())}, nil)
				}
				return fmt.Errorf("%s: not valid (%s): %w", args[0], check.Code(err), err)
			}
			return a.print(struct {
				Valid    bool                 `json:"valid"`
				Complete bool                 `json:"complete"`
				Identity check.AnswerIdentity `json:"identity"`
				Claimed  check.Time           `json:"claimed"`
				check.Verdict
			}{true, answer.Verdict.Complete(), answer.Identity, answer.Claimed, answer.Verdict}, func(w io.Writer) {
				fmt.Fprintf(w, "Valid. It answers for %s.\n", strings.ReplaceAll(answer.Identity.Value, "\x00", " / "))
				printVerdict(w, &answer.Verdict)
				fmt.Fprintf(w, "Asked, by the asker's own clock (a claim): %s.\n", web.DateTime(web.EN, answer.Claimed.Time))
			})
		},
	}
	c.Flags().StringVar(&proofFile, "proof", "", "tlog-proof of a published document")
	trustFlags(c, &vkeys, &policyFile)
	return c
}

// verifyPublished checks that published bytes are in the ledger, and says what they are.
func (a *app) verifyPublished(ctx context.Context, file, proofFile string, vkeys []string, policyFile string) error {
	data, err := readLimited(ctx, file, incident.MaxNotice)
	if err != nil {
		return err
	}
	text, err := readLimited(ctx, proofFile, check.MaxProof)
	if err != nil {
		return err
	}
	policy, err := trustedFor(ctx, string(text), vkeys, policyFile)
	if err != nil {
		return err
	}
	kinds := []string{check.KindNotice, check.KindStatement, check.KindPage}
	for i, kind := range kinds {
		err = check.VerifyInclusion(kind, data, string(text), policy)
		if err == nil {
			return a.printPublished(kind, data)
		}
		if !errors.Is(err, check.ErrInclusion) || i == len(kinds)-1 {
			break
		}
	}
	if a.json {
		a.print(map[string]any{"valid": false, "failed": check.Code(err), "error": oneLine(err.Error())}, nil)
	}
	return fmt.Errorf("%s: not valid (%s): %w", file, check.Code(err), err)
}

func (a *app) printPublished(kind string, data []byte) error {
	hash := check.StatementHash(data)
	v := map[string]any{"valid": true, "kind": kind, "sha256": hash}
	what := "It is a " + kind + "."
	switch kind {
	case check.KindNotice:
		n, err := incident.ParseNotice(data)
		if err != nil {
			return err
		}
		v["incident"], v["version"], v["time"] = n.Incident, n.Version, check.At(n.Time)
		v["noticeKind"] = n.Kind
		about := ""
		if !n.Whole() && n.About != 0 {
			v["about"] = n.About
			about = fmt.Sprintf(", %s version %d", map[string]string{incident.KindAddendum: "an addendum to", incident.KindCorrection: "a correction of",
				incident.KindRetraction: "the retraction of"}[n.Kind], n.About)
		}
		what = fmt.Sprintf("It is version %d of the notice of %s%s, published on %s.", n.Version, n.Incident, about, web.DateTime(web.EN, n.Time))
	case check.KindStatement:
		st, err := check.ParseStatement(data)
		if err != nil {
			return err
		}
		v["seq"], v["time"] = st.Seq, st.Time
		what = fmt.Sprintf("It is statement %s, of %s.", web.Digits(st.Seq), web.DateTime(web.EN, st.Time.Time))
	}
	return a.print(v, func(w io.Writer) { fmt.Fprintf(w, "Valid: in the ledger as it is. %s\n", what) })
}

// trustedFor gives the policy for a proof: stated by flags, or remembered for
// the origin that the proof names.
func trustedFor(ctx context.Context, proof string, vkeys []string, policyFile string) (*check.Policy, error) {
	policy, err := trusted(ctx, vkeys, policyFile)
	if err != nil || policy != nil {
		return policy, err
	}
	origin, err := check.ProofOrigin(proof)
	if err != nil {
		return nil, err
	}
	pins, err := openPins()
	if err != nil {
		return nil, err
	}
	policy, err = pins.Policy(origin)
	if errors.Is(err, check.ErrNotPinned) {
		return nil, fmt.Errorf("%w, and what a file says of its own ledger is no evidence", err)
	}
	return policy, err
}

func verifyFile(ctx context.Context, path string, vkeys []string, policyFile string) (*check.Answer, error) {
	b, err := readLimited(ctx, path, check.MaxAnswer)
	if errors.Is(err, errTooLong) {
		return nil, fmt.Errorf("%w: %w", check.ErrAnswer, err)
	}
	if err != nil {
		return nil, err
	}
	answer, err := check.ParseAnswer(b)
	if err != nil {
		return nil, err
	}
	policy, err := trustedFor(ctx, answer.Proof, vkeys, policyFile)
	if err != nil {
		return nil, err
	}
	return check.VerifyAnswer(b, policy)
}
