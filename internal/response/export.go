package response

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/internal/actor"
)

// Files of an export. entries.jsonl is the record, an entry a line, exactly as it is hashed; heads.jsonl shows that heads of the
// ledger are of it; the others are to read.
const (
	entriesFile = "entries.jsonl"
	headsFile   = "heads.jsonl"
	namesFile   = "names.json" // who was who, by pseudonym, as far as it was known when the export was made
	textFile    = "case.txt"
	sumsFile    = "SHA256SUMS"   // of evidence, as sha256sum reads it
	markFile    = "EXERCISE.txt" // in what an exercise hands on, first: the record itself has no room for a mark, its lines are what is hashed
)

// Bounds on what an export may unpack to.
const (
	maxExport = 1 << 30 // bytes of each file that is read here
	maxHead   = 256 << 10
)

// head is a line of heads.jsonl.
type head struct {
	LedgerIndex int64           `json:"ledgerIndex"`
	Head        string          `json:"head"`  // the bytes that the ledger commits to
	Proof       string          `json:"proof"` // that it does: a tlog-proof
	Case        check.CaseProof `json:"case"`  // that the head commits to the case
}

// Takeout is what an export is to hold. Exports of accounts are in none.
type Takeout struct {
	Evidence bool // with the bytes of evidence
	Logged   []LoggedHead
}

// Export writes a case as a zip archive: the record, which says who saw what too, the ledger's heads that commit to it, and what
// follows from it, to read. Who has it can verify it without the program's data (VerifyExport). It is not sealed any more; that it was
// made is recorded first.
func (c *Cases) Export(ctx context.Context, who actor.Actor, id string, t Takeout, w io.Writer) (Verified, error) {
	if err := may(who, actor.See, id); err != nil {
		return Verified{}, err
	}
	before, err := c.get(ctx, id)
	if err != nil {
		return Verified{}, err
	}
	if _, err := c.days(ctx, before, t.Logged); err != nil { // what does not verify is not handed out as if it did
		return Verified{}, fmt.Errorf("export case %s: %w", id, err)
	}
	k, err := c.add(ctx, who, actor.See, id, func(k *Case) ([]Body, error) {
		out := []Body{{Exported: &Exported{Entries: k.Entries, Evidence: t.Evidence}}}
		for _, p := range k.Evidence {
			if t.Evidence && p.Use == "" {
				out = append(out, Body{Custody: &Custody{Evidence: p.ID, What: "exported", Why: "with the whole case"}})
			}
		}
		return out, nil
	})
	if err != nil {
		return Verified{}, err
	}
	_, clocks, err := c.Clocks(ctx, who, id)
	if err != nil {
		return Verified{}, err
	}
	days, err := c.days(ctx, k, t.Logged)
	if err == nil {
		err = c.archive(ctx, w, k, clocks, telling(days), t.Evidence)
	}
	if err != nil {
		return Verified{}, fmt.Errorf("export case %s: %w", id, err)
	}
	v := Verified{Case: id, Entries: k.Entries, Head: k.Head, Days: telling(days)}
	if n := len(v.Days); n > 0 {
		v.Logged = v.Days[n-1].Entries
	}
	return v, nil
}

func (c *Cases) archive(ctx context.Context, w io.Writer, k *Case, clocks *Clocks, days []Day, evidence bool) error {
	z := zip.NewWriter(w)
	if c.Exercise {
		f, err := z.Create(markFile)
		if err == nil {
			_, err = io.WriteString(f, notReal)
		}
		if err != nil {
			return err
		}
	}
	f, err := z.Create(entriesFile)
	if err != nil {
		return err
	}
	for _, e := range k.log {
		data, err := e.canonical()
		if err == nil {
			_, err = f.Write(append(data, '\n'))
		}
		if err != nil {
			return err
		}
	}
	if f, err = z.Create(headsFile); err != nil {
		return err
	}
	for _, d := range days {
		b, err := json.Marshal(head{d.LedgerIndex, string(d.head.Data), string(d.head.Proof), d.proof}, json.Deterministic(true))
		if err == nil {
			_, err = f.Write(append(b, '\n'))
		}
		if err != nil {
			return err
		}
	}
	if f, err = z.Create(namesFile); err == nil {
		names := map[string]any{}
		for id, name := range c.names(ctx, k) {
			names[id] = name
		}
		if c.Exercise {
			names["exercise"] = true
		}
		err = json.MarshalWrite(f, names, json.Deterministic(true))
	}
	if err == nil {
		f, err = z.Create(textFile)
	}
	if err == nil {
		err = c.readable(ctx, f, k, clocks)
	}
	if err == nil && evidence {
		err = c.archiveEvidence(ctx, z, k)
	}
	if err == nil {
		err = z.Close()
	}
	return err
}

// notReal is what an exercise puts before what people read.
const notReal = "EXERCISE 訓練: nothing of this is real. これは訓練のために作られたもので、実際に起きたことではありません。\n"

func inArchive(p Piece) string { return fmt.Sprintf("evidence/%d-%s", p.ID, p.Name) }

func (c *Cases) archiveEvidence(ctx context.Context, z *zip.Writer, k *Case) error {
	f, err := z.Create(sumsFile)
	if err != nil {
		return err
	}
	for _, p := range k.Evidence {
		if p.Use != "" {
			continue
		}
		if _, err := fmt.Fprintf(f, "%s  %s\n", p.SHA256, inArchive(p)); err != nil {
			return err
		}
	}
	for i := range k.Evidence {
		if k.Evidence[i].Use != "" { // who everybody is goes out with nothing else
			continue
		}
		if f, err = z.Create(inArchive(k.Evidence[i])); err == nil {
			err = c.open(ctx, k.ID, &k.Evidence[i], f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// pseudonym is whose an entry is: it keeps "ID by DOOR".
func pseudonym(kept string) string {
	id, _, _ := strings.Cut(kept, " by ")
	return id
}

// names says whose the pseudonyms in a case's record are, as far as that is known.
func (c *Cases) names(ctx context.Context, k *Case) map[string]string {
	out := map[string]string{}
	for _, e := range k.log {
		if id := pseudonym(e.By); c.Names != nil && out[id] == "" {
			if name := c.Names(ctx, id); name != "" {
				out[id] = name
			}
		}
	}
	return out
}

// readable writes what follows from the record for people.
func (c *Cases) readable(ctx context.Context, w io.Writer, k *Case, clocks *Clocks) error {
	b := bufio.NewWriter(w)
	if c.Exercise {
		b.WriteString(notReal)
	}
	fmt.Fprintf(b, "%s: %s, %s\nhappened %s, known %s, declared %s; commands: %s\nentries %d, head %s\n", k.ID, k.Declared.Organisation, k.Declared.Title, k.Declared.Happened, k.Knowledge(),
		k.At.Format("2006-01-02T15:04:05Z"), k.Commander, k.Entries, k.Head)
	part := func(title string, n int) {
		if n > 0 {
			fmt.Fprintf(b, "\n%s\n", title)
		}
	}
	part("clocks", len(clocks.Clocks))
	for _, x := range clocks.Clocks {
		fmt.Fprintf(b, "  %-28s %-16s due %s\n", x.ID, x.State, x.Due)
	}
	part("timeline", len(k.Events))
	for _, x := range k.Events {
		mark := ""
		if x.Withdrawn {
			mark = " (withdrawn: " + x.Why + ")"
		}
		fmt.Fprintf(b, "  %-32s %s%s [%s; recorded %s by %s]\n", x.At, indent(x.Text), mark, x.Source, x.First.Format("2006-01-02T15:04:05Z"), x.RecordedBy)
	}
	part("reports from outside", len(k.Reports))
	for _, x := range k.Reports {
		fmt.Fprintf(b, "  %-32s %s %s: %s; moment of knowledge: %s, after %s\n", x.At, x.From, x.Who, indent(x.Text), orNot(x.Knowledge), x.Waited(c.now()).Round(0))
	}
	part("decisions", len(k.Decisions))
	for _, x := range k.Decisions {
		fmt.Fprintf(b, "  %s %s: %s. %s (by %s)\n", x.RecordedAt.Format("2006-01-02T15:04:05Z"), indent(x.Question), indent(x.Decision.Decision), indent(x.Why), x.RecordedBy)
		for _, f := range x.Facts {
			fmt.Fprintf(b, "      on: %s\n", f)
		}
		if x.Replaced != 0 {
			fmt.Fprintf(b, "      entry %d stands in its place\n", x.Replaced)
		}
	}
	part("tasks", len(k.Tasks))
	for _, x := range k.Tasks {
		fmt.Fprintf(b, "  %3d %-8s %s (%s; due %s) %s\n", x.ID, x.State, x.Title, x.Owner, x.Due, indent(x.Note))
	}
	part("promises", len(k.Promises))
	for _, x := range k.Promises {
		fmt.Fprintf(b, "  %-24s %-10s %s %s\n", x.Due, x.State, x.At, x.Text)
	}
	part("evidence", len(k.Evidence))
	for _, x := range k.Evidence {
		fmt.Fprintf(b, "  %d %s, %d bytes, SHA-256 %s\n", x.ID, x.Name, x.Size, x.SHA256)
		for _, l := range x.Custody {
			fmt.Fprintf(b, "      %s %s %s %s (by %s)\n", l.RecordedAt.Format("2006-01-02T15:04:05Z"), l.What, l.To, l.Why, l.RecordedBy)
		}
	}
	part("who looked at it", len(k.Seen()))
	for _, e := range k.Seen() {
		fmt.Fprintf(b, "  %s %s: %s\n", e.Body.Seen.Day, e.By, e.Body.Seen.What)
	}
	for id, name := range c.names(ctx, k) {
		fmt.Fprintf(b, "\n%s is %s\n", id, name)
	}
	fmt.Fprintf(b, "\nrecord\n")
	for _, e := range k.log {
		body, err := json.Marshal(e.Body)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "  %4d %s %s: %s\n", e.Seq, e.At, e.By, body)
	}
	return b.Flush()
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n      ") }

func orNot(s string) string {
	if s == "" {
		return "nobody has said"
	}
	return s
}

// Proof requires that bytes are in a ledger that the verifier trusts, by a tlog-proof. proven is false, without an error, where the
// verifier knows nothing of that ledger.
type Proof func(data []byte, proof string) (proven bool, err error)

// Examined is what verifying an export showed.
type Examined struct {
	Verified
	Unproven int      // heads that nobody could prove: no ledger is trusted
	Evidence []string // files of evidence that are what was taken in
	Missing  []string // evidence that the record names and the export does not hold
}

// VerifyExport verifies an export by itself: its record, that the ledger's heads in it are of this record, and that evidence in it is
// what was taken in. Whether those heads are in the ledger, prove says; nil proves none, and they count as unproven. What it cannot
// show is that nothing was recorded after the newest head. Errors: ErrChain; those of prove.
func VerifyExport(r io.ReaderAt, size int64, prove Proof) (Examined, error) {
	x, err := verifyExport(r, size, prove)
	if err != nil {
		return Examined{}, fmt.Errorf("verify an export: %w", err)
	}
	return x, nil
}

func verifyExport(r io.ReaderAt, size int64, prove Proof) (x Examined, err error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return x, fmt.Errorf("%w: %v", ErrChain, err)
	}
	k := newCase("")
	hashes := map[int64]Hash{}
	var v verifier
	err = lines(z, entriesFile, maxEntry, func(line []byte) error {
		e, err := v.next(line, "")
		if err == nil {
			if err = k.apply(e); err != nil {
				err = fmt.Errorf("entry %d: %w: %w", e.Seq, ErrChain, err)
			}
		}
		hashes[v.seq] = v.head
		return err
	})
	if err == nil && v.seq == 0 {
		err = fmt.Errorf("%w: it has no entry", ErrChain)
	}
	if err != nil {
		return x, err
	}
	x.Verified = Verified{Case: v.id, Entries: v.seq, Head: v.head}
	if f, err := z.Open(headsFile); err == nil { // exports of earlier versions have none
		f.Close()
		if err := x.heads(z, hashes, prove); err != nil {
			return x, err
		}
	}
	return x, x.evidence(z, k)
}

// lines gives the lines of a file of an export.
func lines(z *zip.Reader, name string, most int, each func(line []byte) error) error {
	f, err := z.Open(name)
	if err != nil {
		return fmt.Errorf("%w: it holds no %s", ErrChain, name)
	}
	defer f.Close()
	in := bufio.NewReaderSize(io.LimitReader(f, maxExport), most+1)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w: %v", name, n, ErrChain, err)
		}
		if err := each(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return err
		}
	}
}

// heads verifies that the ledger's heads are of the record.
func (x *Examined) heads(z *zip.Reader, hashes map[int64]Hash, prove Proof) error {
	return lines(z, headsFile, maxHead, func(line []byte) error {
		var h head
		if err := json.Unmarshal(line, &h, json.RejectUnknownMembers(true)); err != nil {
			return fmt.Errorf("%s: %w: %v", headsFile, ErrChain, err)
		}
		day, err := check.ParseCasesHead([]byte(h.Head))
		if err == nil {
			err = h.Case.Verify(day)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrChain, err)
		}
		if is, there := hashes[h.Case.Entries]; !there || h.Case.Case != x.Case || check.Hash(is) != h.Case.Head {
			return fmt.Errorf("%w: the ledger's head of %s is of another record", ErrChain, day.Day)
		}
		d := Day{Day: day.Day, Entries: h.Case.Entries, LedgerIndex: h.LedgerIndex}
		if prove != nil {
			if d.Public, err = prove([]byte(h.Head), h.Proof); err != nil {
				return fmt.Errorf("the head of %s: %w", day.Day, err)
			}
		}
		if d.Public {
			x.Logged = max(x.Logged, d.Entries)
		} else {
			x.Unproven++
		}
		x.Days = append(x.Days, d)
		return nil
	})
}

var evidenceName = regexp.MustCompile(`^evidence/\d+-`)

// evidence verifies that what there is of it is what was taken in.
func (x *Examined) evidence(z *zip.Reader, k *Case) error {
	named := map[string]Piece{}
	for _, p := range k.Evidence {
		named[inArchive(p)] = p
	}
	for _, f := range z.File {
		if !evidenceName.MatchString(f.Name) {
			continue
		}
		p, there := named[f.Name]
		if !there {
			return fmt.Errorf("%w: %q is no evidence of this record, or stands in it twice", ErrChain, f.Name)
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("evidence %d: %w: %v", p.ID, ErrChain, err)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, io.LimitReader(r, p.Size+1))
		r.Close()
		if err != nil || n != p.Size || hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
			return fmt.Errorf("evidence %d: %w: it is not what was taken in", p.ID, ErrChain)
		}
		x.Evidence = append(x.Evidence, f.Name)
		delete(named, f.Name)
	}
	for _, p := range k.Evidence {
		if _, missing := named[inArchive(p)]; missing && p.Use == "" {
			x.Missing = append(x.Missing, inArchive(p))
		}
	}
	return nil
}
