package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
)

// noticeImport are the flags of `shirase incident import --format notice`.
type noticeImport struct {
	yes, own                       bool
	id, out, source, dataset, sort string
	given                          bool // the id was stated, and not proposed
}

// importNotice reads a disclosure text and records, or writes into a facts file, what a person accepts of the facts that
// it proposes.
func (a *app) importNotice(ctx context.Context, answers io.Reader, name string, fl noticeImport) error {
	if fl.id != "" && !incident.ValidID(fl.id) {
		return usagef("--id %q is not 1 to 64 of a-z, 0-9 and hyphen", fl.id)
	}
	if fl.sort != "" && fl.sort != "confidence" {
		return usagef("--sort %q is not known: confidence, or leave it away", fl.sort)
	}
	if name == "-" && !fl.yes && !a.json {
		return usagef("the text comes from standard input, so nobody can answer there: name a file, or give --yes or --json")
	}
	answers = files.Interruptible(ctx, answers)
	text, err := readNotice(ctx, name, answers)
	if err != nil {
		return err
	}
	res, err := extractUntil(ctx, text)
	if errors.Is(err, extract.ErrNotText) {
		return hint.Add(fmt.Errorf("import %s: %w", name, err), "save it as UTF-8, for example iconv -f CP932 -t UTF-8 FILE")
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", name, err)
	}
	if fl.given = fl.id != ""; !fl.given {
		fl.id = res.ID
	}
	entries := res.Entries()
	if fl.sort != "" {
		extract.ByConfidence(entries)
	}
	if a.json && !fl.yes {
		return a.printProposals(fl.id, res, entries, nil)
	}
	if len(entries) == 0 {
		return hint.Add(fmt.Errorf("import %s: no facts found: it does not read like an organisation's notice of its own breach", name), "record them by hand: shirase incident new --facts FILE")
	}
	if !fl.yes {
		r := review{a: a, in: bufio.NewScanner(answers), text: text, id: fl.id, zone: res.Zone}
		if entries, err = r.run(entries); err != nil {
			return err
		}
	}
	facts := extract.FactsFile(fl.id, res.Zone, withSource(entries, text, fl.source))
	if fl.out != "" {
		if _, err := incident.ParseFactsFile(fl.out, facts); err != nil {
			return err
		}
		if err := writeNew(fl.out, facts); err != nil {
			return err
		}
		return a.printProposals(fl.id, res, entries, func(w io.Writer) {
			fmt.Fprintf(w, "%s facts are written to %s.\n\nNext: shirase incident %s --facts %s\n", language.Digits(int64(len(entries))), fl.out, a.newOrAdd(ctx, fl.id), fl.out)
		})
	}
	public, next, err := a.recordNotice(ctx, fl, facts)
	if err != nil {
		return err
	}
	return a.printProposals(fl.id, res, entries, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s facts are recorded.\n", fl.id, language.Digits(int64(len(entries))))
		if public {
			fmt.Fprintf(w, "It is recorded from what others published, and public now. (--own keeps a notice of your own as a draft.)\n")
		} else {
			fmt.Fprintf(w, "It is your own: nothing of this is public before it is published. To look at it: shirase serve --preview\n\nNext: %s\n", next)
		}
	})
}

// extractUntil is extract.Notice, which may take seconds and cannot be broken off: when ctx ends it is left to itself.
func extractUntil(ctx context.Context, text []byte) (*extract.Result, error) {
	type extracted struct {
		res *extract.Result
		err error
	}
	done := make(chan extracted, 1)
	go func() {
		res, err := extract.Notice(text)
		done <- extracted{res, err}
	}()
	select {
	case e := <-done:
		return e.res, e.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// newOrAdd names the command that takes a facts file: an incident that is recorded already is added to.
func (a *app) newOrAdd(ctx context.Context, id string) string {
	if _, err := a.readInstance(); err != nil { // there is no instance to ask
		return "new"
	}
	in, err := a.open(ctx)
	if err != nil {
		return "new"
	}
	defer in.close()
	if _, err := in.incidents.Get(ctx, id); err != nil {
		return "new"
	}
	return "add"
}

// readNotice reads the text, at most extract.MaxNotice bytes of it.
func readNotice(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if name != "-" {
		f, err := files.OpenInput(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("import: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, extract.MaxNotice+1))
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", name, err)
	}
	if len(text) > extract.MaxNotice {
		return nil, hint.Add(fmt.Errorf("import %s: %w: more than %d bytes", name, extract.ErrTooLarge, extract.MaxNotice), "keep the notice, and leave the rest of the page away")
	}
	return text, nil
}

// printProposals prints the entries as JSON, or what human says.
func (a *app) printProposals(id string, res *extract.Result, entries []extract.Entry, human func(io.Writer)) error {
	if entries == nil {
		entries = []extract.Entry{}
	}
	zone := time.Date(2000, 1, 1, 0, 0, 0, 0, res.Zone).Format("-07:00")
	out := map[string]any{"id": id, "language": string(res.Lang), "zone": zone, "facts": entries}
	return a.print(out, func(w io.Writer) {
		for _, e := range entries {
			if e.Doubt != "" {
				a.say("%s: %s", e.Key, oneLine(e.Doubt))
			}
		}
		human(w)
	})
}

// withSource names the text that was read as the source of every fact. Its digest is that of the bytes that were read,
// which need not be those of the page that it was copied from.
func withSource(entries []extract.Entry, text []byte, url string) []extract.Entry {
	sum := sha256.Sum256(text)
	source := extract.Entry{Key: "source", ID: "notice", Certainty: string(incident.Confirmed), SHA256: hex.EncodeToString(sum[:])}
	title := "The notice's text"
	var out []extract.Entry
	for _, e := range entries {
		switch s, _ := e.Value.(string); {
		case e.Key == "source" && e.ID == "notice":
			source.Value, source.AsOf = s, e.AsOf
			continue
		case e.Key == "title":
			title = s
		}
		e.Source = "notice"
		if e.Key == "source" {
			e.Source = ""
		}
		out = append(out, e)
	}
	if url != "" {
		source.Value = url
	}
	if source.Value == nil {
		source.Value = title
	}
	return append(out, source)
}

// recordNotice records the facts as a new incident: of another organisation, public at once, or, with --own, as a draft of
// one's own. An id that was given may also be of one that is recorded already: it gets them added. It reports whether they
// are public.
func (a *app) recordNotice(ctx context.Context, fl noticeImport, facts []byte) (public bool, next string, err error) {
	file, err := incident.ParseFactsFile("the accepted facts", facts)
	if err != nil {
		return false, "", err
	}
	in, err := a.open(ctx)
	if err != nil {
		return false, "", err
	}
	defer in.close()
	_, err = in.incidents.Get(ctx, file.ID)
	switch {
	case errors.Is(err, incident.ErrNotFound) && fl.own:
		_, err = in.incidents.Create(ctx, actor.Operator(), file)
	case errors.Is(err, incident.ErrNotFound):
		err = a.recordFrom(ctx, in, file, fl)
	case err == nil && !fl.given:
		err = hint.Add(fmt.Errorf("import: %w: %s", incident.ErrExist, file.ID), "give another --id; to add to an incident that is recorded, write a facts file with -o and use: shirase incident add --facts FILE")
	case err == nil:
		_, err = in.incidents.Add(ctx, actor.Operator(), file)
	}
	if err != nil {
		return false, "", err
	}
	inc, err := in.incidents.Get(ctx, file.ID)
	if err != nil {
		return false, "", err
	}
	_, public, err = in.incidents.Provenance(ctx, inc.ID)
	return public, in.nextFor(ctx, inc), err
}

// recordFrom records one incident as what others published.
func (a *app) recordFrom(ctx context.Context, in *instance, file *incident.FactsFile, fl noticeImport) error {
	dataset := fl.dataset
	if dataset == "" {
		dataset = incident.RecordedDataset
	}
	rows := []incident.Record{{Dataset: dataset, ExternalID: file.ID, ID: file.ID, Facts: file.Facts, URL: fl.source}}
	_, err := in.incidents.Import(ctx, actor.Operator(), func() (incident.Record, error) {
		if len(rows) == 0 {
			return incident.Record{}, io.EOF
		}
		r := rows[0]
		rows = nil
		return r, nil
	}, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }})
	return err
}

// writeNew writes a file that must not exist.
func writeNew(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return hint.Add(fmt.Errorf("%s exists already", path), "name another file, or remove it")
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// review asks a person about each proposed fact, line by line, so that it works in any terminal, with a screen reader and
// in a script.
type review struct {
	a    *app
	in   *bufio.Scanner
	text []byte
	id   string
	zone *time.Location
}

// errReviewEnded is a review that was left before its end: nothing of it is kept.
var errReviewEnded = errors.New("the review ended before the last fact, and nothing is recorded")

func (r *review) run(entries []extract.Entry) ([]extract.Entry, error) {
	var kept []extract.Entry
	all := false
	for i, e := range entries {
		if all {
			kept = append(kept, e)
			continue
		}
		r.show(i, len(entries), e)
		for asking := true; asking; {
			answer, err := r.ask("Enter accepts, c corrects, s skips, a accepts all that follow, q quits: ")
			if err != nil {
				return nil, err
			}
			asking = false
			switch strings.ToLower(answer) {
			case "", "y", "yes":
				kept = append(kept, e)
			case "s", "n", "no":
			case "a":
				kept, all = append(kept, e), true
			case "q":
				return nil, errReviewEnded
			case "c":
				if e, err = r.correct(e); err != nil {
					return nil, err
				}
				kept = append(kept, e)
			default:
				asking = true
			}
		}
	}
	if len(kept) == 0 {
		return nil, hint.Add(errors.New("no fact was accepted, and nothing is recorded"), "run it again, or record by hand: shirase incident new --facts FILE")
	}
	return kept, nil
}

// show prints a proposal and its sentence, in which »...« marks what it was read from.
func (r *review) show(i, n int, e extract.Entry) {
	fmt.Fprintf(r.a.out, "\n%d of %d  %s", i+1, n, e.Key)
	for _, m := range members(e) {
		if v := m.get(&e); v != "" {
			fmt.Fprintf(r.a.out, "\n    %s: %s", m.name, oneLine(v))
		}
	}
	if c, ok := e.Value.(map[string]string); ok {
		for _, name := range []string{"name", "url", "telephone", "hours"} {
			if c[name] != "" {
				fmt.Fprintf(r.a.out, "\n    %s: %s", name, oneLine(c[name]))
			}
		}
	}
	if e.Rule != "" {
		fmt.Fprintf(r.a.out, "\n    confidence: %s", confidenceOf(e))
	}
	if e.Doubt != "" {
		fmt.Fprintf(r.a.out, "\n    doubtful: %s", oneLine(e.Doubt))
	}
	fmt.Fprintf(r.a.out, "\n  | %s\n", oneLine(sentenceOf(r.text, e.Span[0], e.Span[1])))
}

// confidenceOf says how far a proposal can be believed, and why.
func confidenceOf(e extract.Entry) string {
	word := "not sure"
	if e.Sure {
		word = "sure"
	}
	if e.Of == 0 {
		return fmt.Sprintf("%.2f, %s (%s: not yet seen on new texts)", e.Confidence, word, e.Rule)
	}
	return fmt.Sprintf("%.2f, %s (%s: right %d of %d times on new texts)", e.Confidence, word, e.Rule, e.Right, e.Of)
}

// sentenceOf gives the sentence around text[from:to], at most about 300 bytes to either side, with the span marked.
func sentenceOf(text []byte, from, to int) string {
	start, end := from, to
	for start > 0 && from-start < 300 && text[start-1] != '\n' && !strings.HasSuffix(string(text[max(0, start-3):start]), "。") {
		start--
	}
	for end < len(text) && end-to < 300 && text[end] != '\n' {
		if strings.HasPrefix(string(text[end:min(len(text), end+3)]), "。") {
			end += len("。")
			break
		}
		end++
	}
	for start < from && !utf8.RuneStart(text[start]) {
		start++
	}
	for end > to && end < len(text) && !utf8.RuneStart(text[end]) {
		end--
	}
	return strings.TrimSpace(string(text[start:from])) + "»" + string(text[from:to]) + "«" + strings.TrimSpace(string(text[to:end]))
}

// ask reads one line.
func (r *review) ask(prompt string) (string, error) {
	fmt.Fprint(r.a.out, prompt)
	if !r.in.Scan() {
		fmt.Fprintln(r.a.out)
		return "", errors.Join(errReviewEnded, r.in.Err())
	}
	return strings.TrimSpace(r.in.Text()), nil
}

// entryMember is a member of a fact that a person can correct.
type entryMember struct {
	name string
	get  func(*extract.Entry) string
	set  func(*extract.Entry, string)
}

// members are those that e has, and its certainty.
func members(e extract.Entry) []entryMember {
	out := []entryMember{}
	if _, contact := e.Value.(map[string]string); !contact {
		out = append(out, entryMember{"value", func(e *extract.Entry) string { return fmt.Sprint(e.Value) }, func(e *extract.Entry, s string) {
			if n, err := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64); err == nil && strings.HasSuffix(e.Key, ".count") {
				e.Value = n
			} else {
				e.Value = s
			}
		}})
	}
	for _, m := range []struct {
		name  string
		field func(*extract.Entry) *string
		has   bool
	}{
		{"unit", func(e *extract.Entry) *string { return &e.Unit }, e.Unit != ""},
		{"qualifier", func(e *extract.Entry) *string { return &e.Qualifier }, e.Qualifier != ""},
		{"status", func(e *extract.Entry) *string { return &e.Status }, e.Status != ""},
		{"at", func(e *extract.Entry) *string { return &e.At }, e.At != ""},
		{"promised", func(e *extract.Entry) *string { return &e.Promised }, e.Promised != ""},
		{"certainty", func(e *extract.Entry) *string { return &e.Certainty }, true},
		{"asOf", func(e *extract.Entry) *string { return &e.AsOf }, e.AsOf != ""},
	} {
		if m.has {
			out = append(out, entryMember{m.name, func(e *extract.Entry) string { return *m.field(e) }, func(e *extract.Entry, s string) { *m.field(e) = s }})
		}
	}
	return out
}

// correct asks for each member of e until a facts file would take it.
func (r *review) correct(e extract.Entry) (extract.Entry, error) {
	for {
		changed := e
		if c, ok := e.Value.(map[string]string); ok {
			contact := map[string]string{}
			for _, name := range []string{"name", "url", "telephone", "hours"} {
				s, err := r.ask(fmt.Sprintf("  %s [%s]: ", name, oneLine(c[name])))
				if err != nil {
					return e, err
				}
				if contact[name] = c[name]; s != "" {
					contact[name] = s
				}
			}
			changed.Value = contact
		}
		for _, m := range members(e) {
			s, err := r.ask(fmt.Sprintf("  %s [%s]: ", m.name, oneLine(m.get(&e))))
			if err != nil {
				return e, err
			}
			if s != "" {
				m.set(&changed, s)
			}
		}
		changed.Doubt, changed.Rule, changed.Confidence, changed.Right, changed.Of, changed.Sure = "", "", 0, 0, 0, false // it is now a person's
		_, err := incident.ParseFactsFile("correction", extract.FactsFile(r.id, r.zone, []extract.Entry{changed}))
		if err == nil {
			return changed, nil
		}
		fmt.Fprintf(r.a.out, "  That cannot be recorded: %s", oneLine(err.Error()))
		if h := hintFor(err); h != "" {
			fmt.Fprintf(r.a.out, " (%s)", h)
		}
		fmt.Fprintln(r.a.out)
	}
}
