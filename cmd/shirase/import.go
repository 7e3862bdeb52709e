package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/datasets"
	"shirase/internal/language"
)

// formatNotice is the form of an announcement's text, whose facts a person accepts one by one (import_notice.go). The
// others are of data sets.
const formatNotice = "notice"

// importFlags are the flags of `shirase incident import`.
type importFlags struct {
	format, rejects, dataset string
	notice                   noticeImport
}

func (a *app) cmdImport() *cobra.Command {
	var fl importFlags
	c := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Import incidents from a data set, or one from its notice",
		Long: `Records what others have published about incidents: breaches of Have I Been Pwned
(hibp), notifications to the Washington State Attorney General (washington-ag),
VERIS, our own CSV and JSON, facts files (shirase). Plain, gzip, zstd or zip; a file of
any size is read as a stream. What the form is, is found out from the content
unless --format says it.

What is imported is marked as recorded from its source, with its licence, and is
never published as a notice of yours. Rows that cannot be taken are listed with
their place, the field and the reason. Run again, an import adds only what has
changed; killed, it goes on where it was.

With --format notice, FILE is the text of one disclosure, in Japanese or English
(UTF-8, or the HTML of its page). The facts that it states are proposed, each with
the words it was read from, for you to accept, correct or skip. --json alone only
proposes; --yes accepts everything; -o writes a facts file instead of recording.`,
		Example: `  shirase incident import breaches.json
  shirase incident import washington.csv.gz --rejects rejects.csv
  shirase incident import notice.txt --format notice -o facts.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if fl.format == formatNotice {
				fl.notice.dataset = fl.dataset
				return a.importNotice(c.Context(), c.InOrStdin(), args[0], fl.notice)
			}
			if fl.notice != (noticeImport{}) {
				return usagef("--yes, --id, --own, --out and --source are of --format notice")
			}
			return a.importFile(c.Context(), c.InOrStdin(), args[0], fl)
		},
	}
	f := c.Flags()
	f.StringVar(&fl.format, "format", "", "hibp, washington-ag, veris, csv, shirase (default: by the content) or notice")
	f.StringVar(&fl.rejects, "rejects", "", "list rows that are not taken in this file (CSV; default: on stderr)")
	f.StringVar(&fl.dataset, "dataset", "", "name of the data set, where the form does not imply it (a-z, 0-9, hyphen)")
	f.BoolVarP(&fl.notice.yes, "yes", "y", false, "notice: accept every proposed fact")
	f.BoolVar(&fl.notice.own, "own", false, "notice: it is your organisation's own; record it as a draft (default: as what others published, public at once)")
	f.StringVar(&fl.notice.id, "id", "", "notice: the incident's id (default: from the organisation and the date)")
	f.StringVarP(&fl.notice.out, "out", "o", "", "notice: write a facts file, and record nothing")
	f.StringVar(&fl.notice.sort, "sort", "", "notice: confidence, to see first what is least sure (default: the order of a facts file)")
	f.StringVar(&fl.notice.source, "source", "", "notice: where it was published, a web address")
	return c
}

// maxBlank is how much of a file is looked at for something that is no blank, in bytes.
const maxBlank = 4 << 10

// blank reports whether there is nothing in src but blanks, and gives what reads all of it: of a file the file, whose end is
// read first where it is a zip archive.
func blank(src io.Reader) (io.Reader, bool) {
	start := make([]byte, maxBlank)
	n, err := 0, errors.ErrUnsupported
	if file, ok := src.(io.ReaderAt); ok {
		n, err = file.ReadAt(start, 0)
	}
	if err != nil && !errors.Is(err, io.EOF) { // no file, or a pipe
		buffered := bufio.NewReaderSize(src, maxBlank)
		start, err = buffered.Peek(maxBlank)
		src, n = buffered, len(start)
	}
	return src, errors.Is(err, io.EOF) && len(bytes.Trim(start[:n], "\x00\r\n\t \xef\xbb\xbf\xfe\xff")) == 0
}

func (a *app) importFile(ctx context.Context, stdin io.Reader, name string, fl importFlags) error {
	src := files.Interruptible(ctx, stdin)
	if name != "-" {
		f, err := files.OpenInput(ctx, name)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		defer f.Close()
		src = f
	}
	src, empty := blank(src)
	if empty {
		return hint.Add(fmt.Errorf("import: %s is empty", name), "see whether it was written to its end")
	}
	reader, err := datasets.Open(name, src, datasets.Format(fl.format), fl.dataset)
	if err != nil {
		return err
	}
	in, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer in.close()
	counts, err := a.importRecords(ctx, in, reader.Next, fl.rejects)
	if err == nil && counts.Read == 0 {
		err = hint.Add(fmt.Errorf("import: %s has no incidents in it", name), "see whether it was written to its end; nothing was changed")
	}
	if err != nil {
		return err
	}
	return a.print(counts, func(w io.Writer) {
		table(w, alignRight([][2]string{{"read", language.Digits(counts.Read)}, {"imported", language.Digits(counts.Imported)},
			{"updated", language.Digits(counts.Updated)}, {"unchanged", language.Digits(counts.Unchanged)}, {"rejected", language.Digits(counts.Rejected)}}))
		if counts.Rejected > 0 && fl.rejects != "" {
			fmt.Fprintf(w, "\nThe rows that were not taken are listed in %s.\n", fl.rejects)
		}
	})
}

// importRecords imports what next gives, and lists what is rejected in the file named, or on stderr.
func (a *app) importRecords(ctx context.Context, in *instance, next func() (incident.Record, error), rejects string) (incident.ImportCounts, error) {
	tell, end := a.progress("importing")
	defer end()
	each := func() (incident.Record, error) {
		if err := ctx.Err(); err != nil {
			return incident.Record{}, err
		}
		return next()
	}
	o := incident.ImportOptions{Progress: func(rows int64) { tell(rows, 0) }, Reject: func(row *incident.RowError) error {
		a.say("%s", oneLine(row.Error()))
		return nil
	}}
	if rejects == "" {
		return in.incidents.Import(ctx, actor.Operator(), each, o)
	}
	f, err := os.OpenFile(rejects, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return incident.ImportCounts{}, hint.Add(fmt.Errorf("import: %s exists already", rejects), "name another file with --rejects, or remove it")
	}
	if err != nil {
		return incident.ImportCounts{}, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	w := csv.NewWriter(f)
	w.Write([]string{"file", "line", "path", "field", "reason"})
	o.Reject = func(row *incident.RowError) error {
		line := ""
		if row.Line > 0 {
			line = strconv.FormatInt(row.Line, 10)
		}
		return w.Write([]string{row.File, line, row.Path, oneLine(row.Field), oneLine(row.Reason)})
	}
	counts, err := in.incidents.Import(ctx, actor.Operator(), each, o)
	w.Flush()
	err = errors.Join(err, w.Error(), f.Close())
	if err != nil && ctx.Err() != nil { // half a list; the next import makes a whole one
		err = errors.Join(err, os.Remove(rejects))
	}
	return counts, err
}

// cmdDuplicates proposes, and changes nothing.
func (a *app) cmdDuplicates() *cobra.Command {
	var days int
	c := &cobra.Command{
		Use:   "duplicates",
		Short: "Propose incidents that may be the same",
		Long: `Lists pairs of incidents from different data sets whose organisations have the same
name and of which two dates are near each other. Nothing is changed: whether they
are the same is for you to say, with incident merge.`,
		Example: "  shirase incident duplicates --days 14",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if days < 0 || days > 3660 {
				return usagef("--days %d is not from 0 to 3660", days)
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			list, err := in.archive.Duplicates(c.Context(), days)
			if err != nil {
				return err
			}
			return a.print(map[string]any{"duplicates": list}, func(w io.Writer) {
				for _, d := range list {
					fmt.Fprintf(w, "%s  %s %s\n%s  %s %s\n  %s; %s days apart\n  shirase incident merge %s %s\n\n", d.A.ID, d.A.Key, d.A.Date, d.B.ID, d.B.Key,
						d.B.Date, oneLine(d.A.Organisation.EN), language.Digits(int64(d.Days)), d.A.ID, d.B.ID)
				}
				fmt.Fprintf(w, "%s pairs may be the same incident.\n", language.Digits(int64(len(list))))
			})
		},
	}
	c.Flags().IntVar(&days, "days", 30, "how far apart two dates may be")
	return c
}

func (a *app) cmdMerge() *cobra.Command {
	return &cobra.Command{
		Use:   "merge ID INTO",
		Short: "Record that an imported incident is the same as another",
		Long: `Adds to INTO the facts of ID that it lacks, with their sources. ID stays and leads to
INTO from then on. Where both say something else about the same, what INTO says stays,
and the difference is listed.`,
		Example: "  shirase incident merge hibp-example example-2026",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			done, err := in.incidents.Merge(c.Context(), actor.Operator(), args[0], args[1])
			if err != nil {
				return err
			}
			kept := []string{}
			for _, f := range done.Kept {
				kept = append(kept, f.Key)
			}
			return a.print(map[string]any{"id": done.ID, "into": done.Into, "added": done.Added, "differing": kept}, func(w io.Writer) {
				fmt.Fprintf(w, "%s is now another name of %s; %s facts were added to it.\n", done.ID, done.Into, language.Digits(int64(done.Added)))
				for _, f := range done.Kept {
					b, err := json.Marshal(f.Value, json.Deterministic(true))
					if err == nil {
						fmt.Fprintf(w, "  %s says otherwise, and is not taken: %s %s\n", done.ID, f.Key, oneLine(string(b)))
					}
				}
			})
		},
	}
}
