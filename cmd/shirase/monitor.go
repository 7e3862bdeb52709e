package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/monitor"
)

// monitorEvery is how often a monitor that follows looks, unless it is told.
const monitorEvery = time.Hour

func (a *app) cmdMonitor() *cobra.Command {
	var server, second, vkey, state, identities, policyFile string
	var follow bool
	var every time.Duration
	c := &cobra.Command{
		Use:   "monitor --server URL --ledger-key VKEY --state DIR",
		Short: "Watch somebody's ledger from outside, and keep evidence",
		Long: `Follows a ledger from its first entry on, as anybody can: that there is one
history, that every byte it commits to is given, that each statement keeps to the
rules of the chain, that every layer is what statements say and no entry stands in
two of them, that pages, API and scripts say what was signed. A line a finding,
each with its rule's name and where it can be shown a file of evidence, which
anybody verifies: shirase verify FILE --ledger-key VKEY.

The state goes on where it ended, and holds a copy of every source layer. Exit
status 1 with findings. --follow goes on looking, until it is interrupted.

--identities FILE looks up, at each revision, people who agreed to it and accounts
that an auditor has planted in an export: CSV, kind,value,expect. Nothing else
shows that a first revision holds whom it should.`,
		Example: `  shirase monitor --server https://notice.example.org --ledger-key 'notice.example.org+4b1c2d3e+...' --state notice
  shirase monitor --server https://notice.example.org --ledger-key 'notice...' --state notice --follow --json
  shirase monitor --server https://notice.example.org --ledger-key 'notice...' --state notice --identities planted.csv`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if server == "" || vkey == "" || state == "" {
				return usagef("monitor wants --server, --ledger-key and --state")
			}
			if every < time.Minute {
				return usagef("--every %s is less than a minute", every)
			}
			o := monitor.Options{Server: server, Second: second, LedgerKey: vkey}
			if err := readMonitored(c.Context(), &o, identities, policyFile); err != nil {
				return err
			}
			m, err := monitor.Open(state, o)
			if err != nil {
				return err
			}
			defer m.Close()
			return a.monitor(c.Context(), m, follow, every)
		},
	}
	f := c.Flags()
	f.StringVar(&server, "server", "", "the server's URL")
	f.StringVar(&vkey, "ledger-key", "", "the ledger's verifier key, learned from elsewhere than the server")
	f.StringVar(&state, "state", "", "folder of the monitor's state and evidence")
	f.StringVar(&second, "second", "", "another address of the same pages, to compare their scripts too")
	f.StringVar(&identities, "identities", "", "people and planted accounts to look up at each revision (CSV: kind,value,organisation,expect)")
	f.StringVar(&policyFile, "policy", "", "your own policy of witnesses (c2sp.org/tlog-policy)")
	f.BoolVar(&follow, "follow", false, "go on looking")
	f.DurationVar(&every, "every", monitorEvery, "how often, with --follow")
	c.MarkFlagDirname("state")
	c.MarkFlagFilename("identities", "csv")
	return c
}

// readMonitored reads the files that a monitor is given.
func readMonitored(ctx context.Context, o *monitor.Options, identities, policyFile string) error {
	if policyFile != "" {
		b, err := readLimited(ctx, policyFile, maxPolicy)
		if err != nil {
			return fmt.Errorf("read the policy: %w", err)
		}
		if o.Policy, err = check.ParsePolicy(b); err != nil {
			return usageError{fmt.Errorf("%s: %w", policyFile, err)}
		}
	}
	if identities == "" {
		return nil
	}
	info, err := os.Stat(identities)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return hint.Add(fmt.Errorf("%s: others on this machine can read it, and it names people", identities), "chmod 600 "+identities)
	}
	b, err := readLimited(ctx, identities, monitor.MaxIdentities)
	if err != nil {
		return fmt.Errorf("read the identities: %w", err)
	}
	if o.Identities, err = monitor.ParseIdentities(b); err != nil {
		return fmt.Errorf("%s: %w", identities, err)
	}
	return nil
}

// errFindings ends a monitor that has found something, and told it.
var errFindings = errSaid

// monitor looks once, or until it is interrupted.
func (a *app) monitor(ctx context.Context, m *monitor.Monitor, follow bool, every time.Duration) error {
	told := map[string]bool{} // of rounds before: only what is new is told again
	bad := false
	for {
		var failed error
		s, err := m.Round(ctx, func(f monitor.Finding) {
			bad = true
			if told[f.Rule+f.What] {
				return
			}
			told[f.Rule+f.What] = true
			if err := a.print(f, func(w io.Writer) { printFinding(w, f) }); err != nil {
				failed = err
			}
		})
		if err != nil && (ctx.Err() != nil || !follow) {
			return err
		}
		if err != nil { // one that follows goes on: a server may be away for a while
			a.say("warning: %s", oneLine(err.Error()))
		}
		if failed == nil {
			failed = a.print(s, func(w io.Writer) { printSummary(w, s) })
		}
		if failed != nil {
			return failed
		}
		if !follow {
			break
		}
		t := time.NewTimer(every)
		select {
		case <-ctx.Done():
			t.Stop()
			if bad {
				return errFindings
			}
			return nil
		case <-t.C:
		}
	}
	if bad {
		return errFindings
	}
	return nil
}

func printFinding(w io.Writer, f monitor.Finding) {
	fmt.Fprintf(w, "%s: %s\n", f.Rule, oneLine(f.What))
	if f.Evidence != "" {
		fmt.Fprintf(w, "  evidence: %s\n", f.Evidence)
	}
}

func printSummary(w io.Writer, s monitor.Summary) {
	word := "Nothing found"
	if !s.OK {
		word = "NOT as it should be"
	}
	fmt.Fprintf(w, "%s: %s entries, %s of them statements, %s layers verified, root %s.\n", word, language.Digits(s.Size), language.Digits(s.Statements), language.Digits(int64(s.Layers)), s.Root)
	if s.Unverified > 0 {
		fmt.Fprintf(w, "Not verified: %s layers that had left before they were seen.\n", language.Digits(int64(s.Unverified)))
	}
}

// verifyEvidence verifies a monitor's evidence, and says what it shows.
func (a *app) verifyEvidence(ctx context.Context, path string, file []byte, vkeys []string, policyFile string) error {
	policy, err := trusted(ctx, vkeys, policyFile)
	if err != nil {
		return err
	}
	if policy == nil {
		origin, err := check.EvidenceOrigin(file)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		pins, err := openPins()
		if err != nil {
			return err
		}
		if policy, err = pins.Policy(origin); err != nil {
			return fmt.Errorf("%s: %w, and what a file says of its own ledger is no evidence", path, err)
		}
	}
	e, shown, err := check.VerifyEvidence(file, policy)
	if err != nil {
		code := check.Code(err)
		if errors.Is(err, check.ErrEvidence) {
			code = "evidence"
		}
		if a.json {
			a.print(map[string]any{"valid": false, "failed": code, "error": oneLine(err.Error())}, nil)
		}
		return fmt.Errorf("%s: not valid (%s): %w", path, code, err)
	}
	return a.print(map[string]any{"valid": true, "shown": shown, "rule": e.Rule, "shows": e.Shows, "what": e.What, "found": e.Found, "server": e.Server,
		"checkpoints": len(e.Checkpoints), "entries": len(e.Entries), "buckets": len(e.Buckets)}, func(w io.Writer) {
		if shown {
			fmt.Fprintf(w, "Valid. By the ledger's own signatures it is shown (%s): %s.\n", e.Rule, oneLine(e.Shows))
		} else {
			fmt.Fprintf(w, "What it holds is genuine, and shows nothing that must not be. The rest is its finder's word (%s).\n", oneLine(e.Rule))
		}
		fmt.Fprintf(w, "The finder's words (a claim): %q\n", oneLine(e.What))
		fmt.Fprintf(w, "Found, by the finder's own clock (a claim), on %s at %s.\n", language.DateTime(language.EN, e.Found.Time), oneLine(e.Server))
	})
}
