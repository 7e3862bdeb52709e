package main

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/backup"
	"shirase/internal/config"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/password"
	"shirase/internal/publish"
	"shirase/internal/reach/preflight"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// Levels of findings. Only an error makes the command fail.
const (
	levelError   = "error"   // people get no answers, or wrong ones, or what was promised does not hold
	levelWarning = "warning" // it will come to that
	levelNote    = "note"    // what could not be looked at, and what is not there yet
)

// finding is one thing that is not as it ought to be, with what to do about it.
type finding struct {
	ID     string `json:"id"`
	Level  string `json:"level"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`

	ja preflight.Finding // of mail: it is said in Japanese, too
}

// in gives what it says, and what to do about it, in a language; in English where it has no other.
func (f finding) in(lang language.Lang) (what, remedy string) {
	if lang == language.JA && f.ja.What.JA != "" {
		return f.ja.What.JA, f.ja.Remedy.JA
	}
	return f.What, f.Remedy
}

// Bounds of what is still well.
const (
	leastFree   = 1 << 30            // bytes on the disk: below it is an error where a publication may not fit
	fewFree     = 10                 // percent: below it is a warning
	leastLife   = 4                  // the part of the newest statement's life that is left, which is reissued at half
	oldBackup   = 7 * 24 * time.Hour // since the newest backup
	clockBehind = 2 * time.Minute    // of the newest statement's time
)

// A doctor looks through one instance.
type doctor struct {
	a     *app
	quick bool // sizes and places, and no byte of what is large

	outside bool           // ask the public address, too
	roots   *x509.CertPool // by whom its certificate is to be issued; nil: the system's

	now   func() time.Time
	space func(dir string) (free, total uint64, err error)

	in       instance
	findings []finding
}

func (a *app) cmdDoctor() *cobra.Command {
	var quick, outside bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look through everything, and say what is wrong and what to do",
		Long: `Looks through configuration, permissions, keys, database, ledger, layers, rosters,
corpora of passwords, disk, clock, the statement's life and the backup's age. Each
finding has its remedy. Keys are compared with what was published and never printed;
rosters are compared with what was recorded when they were sealed, without a key.
Where figures are pushed (metrics.otlp) is asked whether it takes them.
It mends nothing.

Where mail to many people is set up (campaign.relays, returns.address), what receivers look
at is looked at: SPF, DKIM, DMARC, names of addresses, the relays' TLS, and whether mail
comes back.

With --outside the public address is asked, as a visitor does: whether it leads here,
and whether its certificate is right. A witness that refuses is told from what it
answered last.

It exits with 1 where a finding is an error. --quick reads neither ledger, layers and
rosters nor the corpora byte by byte.`,
		Example: "  shirase doctor\n  shirase doctor --outside\n  shirase doctor --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d := &doctor{a: a, quick: quick, outside: outside, now: time.Now, space: space}
			if err := d.examine(c.Context()); err != nil {
				return err
			}
			return a.printFindings(d.findings)
		},
	}
	c.Flags().BoolVar(&outside, "outside", false, "also ask the public address, as a visitor does")
	c.Flags().BoolVar(&quick, "quick", false, "do not read what is large byte by byte")
	return c
}

func (a *app) printFindings(found []finding) error {
	ok := true
	for _, f := range found {
		ok = ok && f.Level != levelError
	}
	err := a.print(struct {
		OK       bool      `json:"ok"`
		Findings []finding `json:"findings"`
	}{ok, found}, func(w io.Writer) {
		for _, f := range found {
			what, remedy := f.in(terminalLanguage(os.Getenv))
			fmt.Fprintf(w, "%s %s: %s\n  remedy: %s\n", f.Level, f.ID, oneLine(what), oneLine(remedy))
		}
		if len(found) == 0 {
			fmt.Fprintln(w, "All is well.")
		}
	})
	if err == nil && !ok {
		err = errSaid
	}
	return err
}

func (d *doctor) find(id, level, remedy, format string, args ...any) {
	d.findings = append(d.findings, finding{ID: id, Level: level, What: fmt.Sprintf(format, args...), Remedy: remedy})
}

// fail is a finding of an error, with the error's own remedy where it has one.
func (d *doctor) fail(id string, err error, remedy string) {
	if own := hintFor(err); own != "" {
		remedy = own
	}
	d.find(id, levelError, remedy, "%v", err)
}

// examine collects the findings. An error says only that it was interrupted: whatever is wrong is a finding.
func (d *doctor) examine(ctx context.Context) error {
	defer d.in.close()
	if !d.examineSettings() {
		return ctx.Err()
	}
	if _, err := d.a.gateRules(ctx); err != nil {
		d.fail("gate", err, "correct the file, or name another: shirase config set gate.file FILE")
	}
	d.examineFolders()
	d.examineCertificate()
	d.examineReceiver(ctx)
	keys := d.examineKeysFolder()
	if d.openStore(ctx) {
		if keys {
			d.examineKeys(ctx)
		}
		for _, look := range []func(context.Context){d.examineDatabase, d.examineStatement, d.examineLedger, d.examineWitnesses, d.examineRosters, d.examineBackup, d.examineMail, d.examineOutside} {
			if ctx.Err() == nil {
				look(ctx)
			}
		}
	}
	if ctx.Err() == nil {
		d.examinePasswords(ctx)
	}
	d.examineSpace()
	return ctx.Err()
}

// examineSettings reports whether there is an instance at all.
func (d *doctor) examineSettings() bool {
	i, err := d.a.instanceWithStore()
	var mistakes config.Mistakes
	if errors.As(err, &mistakes) {
		for _, m := range mistakes {
			remedy := cmp.Or(m.Hint, "shirase config check")
			if strings.Contains(m.At, config.FileName) {
				remedy += "; where the file is damaged: shirase restore SRC --only " + config.FileName
			}
			d.find("settings", levelError, remedy, "%v", m)
		}
		return false
	}
	if err != nil {
		remedy := "correct the file, or take it from a backup: shirase restore SRC --only " + config.InstanceFile
		if errors.Is(err, config.ErrNone) && d.a.read != nil {
			if _, statErr := os.Stat(filepath.Join(d.a.op().Data, "files")); statErr == nil { // it was one
				d.find("settings", levelError, remedy, "%v: %s is missing", err, config.InstanceFile)
				return false
			}
		}
		if errors.Is(err, os.ErrPermission) { // the file is whole, for all that is known
			remedy = "run it as root, or as the account that the data folder belongs to: " + serviceAccount + ", where root set it up"
		}
		d.fail("settings", err, remedy)
		return false
	}
	d.in.Instance = i
	for _, k := range config.Keys() {
		if text := k.Text(d.a.read); k.Instance && text != "" && k.Set(config.Default(), k.Texts(d.a.read)...) != nil {
			d.find("settings", levelError, "shirase config set "+k.Name+" VALUE", "%s is %q, and has to be %s", k.Name, text, k.Form)
		}
	}
	if missing := unsaid(i); len(missing) > 0 {
		d.find("operator", levelWarning, "shirase config set KEY VALUE", "the pages do not say who runs this site: not set are %s", strings.Join(missing, ", "))
	}
	switch url := d.a.op().URL; {
	case url == "":
		d.find("url", levelWarning, "shirase config set url https://...", "the public address is not set: feeds, notices and home page name whatever host a visitor's request does")
	case strings.HasPrefix(url, "http://"):
		d.find("url", levelWarning, "put a proxy with TLS in front, and set the address that begins with https://", "the public address is %s: what is checked and answered can be read and changed on the way", url)
	}
	return true
}

// examineFolders looks at who else of this machine can read or change the data.
func (d *doctor) examineFolders() {
	if runtime.GOOS == "windows" {
		return // modes say nothing there
	}
	names := []string{d.a.op().Data, filepath.Join(d.a.op().Data, config.InstanceFile)}
	if d.in.Engine == "sqlite" {
		names = append(names, filepath.Join(d.a.op().Data, "shirase.db"))
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			continue // told where it is opened
		}
		mode := "600"
		if info.IsDir() {
			mode = "700"
		}
		if perm := info.Mode().Perm(); perm&0o022 != 0 {
			d.find("data-permissions", levelError, "chmod "+mode+" "+name, "others may change %s: its mode is %04o", name, perm)
		} else if perm&0o077 != 0 {
			d.find("data-permissions", levelWarning, "chmod "+mode+" "+name, "others may read %s, where drafts of facts are: its mode is %04o", name, perm)
		}
	}
}

// examineKeysFolder reports whether the keys can be looked at.
func (d *doctor) examineKeysFolder() bool {
	dir := d.a.op().KeysDir()
	if err := d.a.checkKeysOutside(); err != nil {
		d.fail("keys-inside", err, "move them elsewhere")
	}
	if _, err := os.Stat(dir); err != nil { // opening would make it
		d.find("keys", levelError, keysBack, "the folder of keys, %s, cannot be read: %v", dir, bare(err))
		return false
	}
	var err error
	if d.in.keys, err = files.OpenKeys(dir); err != nil {
		d.fail("keys-permissions", err, "chmod 700 "+dir)
		return false
	}
	return true
}

// bare leaves the path out of what the system says of a file: it is named already.
func bare(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// openStore opens database and files, and nothing that would mend or refuse them.
func (d *doctor) openStore(ctx context.Context) bool {
	filesDir := filepath.Join(d.a.op().Data, "files")
	for what, name := range map[string]string{"files": filesDir, "database": filepath.Join(d.a.op().Data, "shirase.db")} {
		if what == "database" && d.in.Engine != "sqlite" {
			continue
		}
		if _, err := os.Stat(name); err != nil { // opening would make it
			d.find(what, levelError, "restore the newest backup: shirase restore SRC --data OTHER", "%s cannot be read: %v", name, bare(err))
			return false
		}
	}
	var err error
	if d.in.dir, err = files.Open(filesDir); err != nil {
		d.fail("files", err, "see that the user who runs shirase may write there")
		return false
	}
	url, err := d.a.storeURL()
	if err == nil {
		d.in.db, err = store.Open(ctx, url)
	}
	if err == nil {
		d.in.index, err = index.New(ctx, d.in.db, d.in.dir)
	}
	if err != nil {
		d.fail("database", err, "see that the database runs and that its address is right; a damaged one is restored: shirase restore SRC --data OTHER")
		return false
	}
	return true
}

// examineDatabase looks at the database's own file.
func (d *doctor) examineDatabase(ctx context.Context) {
	if d.quick {
		return
	}
	if err := d.in.db.Intact(ctx); err != nil && ctx.Err() == nil {
		d.fail("database", err, "restore the newest backup: shirase restore SRC --data OTHER")
	}
}

// examineKeys compares the keys with what was published or sealed under them. No error of keys holds one.
func (d *doctor) examineKeys(ctx context.Context) {
	const back = "put it back from where the keys are kept, or: shirase restore SRC --only keys --identity FILE"
	recorded, err := publish.RecordedKey(ctx, d.in.db)
	var held bool
	if err == nil {
		held, err = publish.HoldsKey(d.in.keys, recorded)
	}
	switch {
	case errors.Is(err, files.ErrLoose):
		d.fail("keys-permissions", err, "")
	case err != nil:
		d.fail("ledger-key", err, back)
	case !held:
		d.find("ledger-key", levelError, back+"; where it is lost, its successor takes its place: shirase key switch --next FILE", "the key that signs the ledger is not in the folder of keys: %s", recorded)
	}
	if _, err := d.in.keys.Load(publish.NextKey); err == nil {
		d.find("ledger-next", levelWarning, "take "+publish.NextKey+" to where the ledger's key is not, and remove it here",
			"the key that is to follow the ledger's lies beside it: who takes the one takes both, and the ledger with them")
	}
	d.failEach("evaluator-key", d.in.index.VerifyKeys(ctx, d.in.keys), back)
	rosters, err := roster.NewBy(ctx, d.in.db, d.in.dir, d.in.keys, d.in.now)
	if err == nil {
		for _, id := range rosters.Again {
			d.find("case-key-again", levelWarning, "see where it came from, and destroy that too; then shirase scope shred "+id+", which looks for copies in backups anew and certifies what it finds",
				"the key or a roster of %s, which is shredded, was there again, and was destroyed now", id)
		}
		err = rosters.VerifyKeys(ctx)
	}
	d.failEach("case-key", err, back+"; without it the case's roster cannot be sealed, mailed or shown again")
}

// failEach is fail for each of the errors that err joins.
func (d *doctor) failEach(id string, err error, remedy string) {
	for _, err := range eachOf(err) {
		if errors.Is(err, files.ErrLoose) {
			d.fail("keys-permissions", err, "")
			continue
		}
		d.fail(id, err, remedy)
	}
}

// eachOf gives the errors that err joins ([errors.Join]); one that wraps several is one.
func eachOf(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var out []error
	var texts []string
	for _, err := range joined.Unwrap() {
		texts = append(texts, err.Error())
		out = append(out, eachOf(err)...)
	}
	if err.Error() != strings.Join(texts, "\n") {
		return []error{err}
	}
	return out
}

// examineStatement looks at clock and life of what clients are given.
func (d *doctor) examineStatement(ctx context.Context) {
	st, _, _, err := d.in.index.Statement(ctx)
	if errors.Is(err, index.ErrNone) {
		d.find("statement", levelNote, "shirase publish ID", "nothing has been published yet")
		return
	}
	if err != nil {
		d.fail("statement", err, "shirase ledger verify")
		return
	}
	now := d.now()
	const again = "start shirase serve, which reissues it, and keep it running"
	switch left := st.Expires.Sub(now); {
	case st.Time.Sub(now) > clockBehind:
		d.find("clock", levelError, "set the clock (timedatectl set-ntp true)", "the clock says %s, and the newest statement is of %s", now.UTC().Format(time.RFC3339), st.Time.UTC().Format(time.RFC3339))
	case left <= 0:
		d.find("statement", levelError, again, "the newest statement expired at %s: clients refuse it, and nobody gets an answer", st.Expires.UTC().Format(time.RFC3339))
	case left < st.Expires.Sub(st.Time.Time)/leastLife:
		d.find("statement", levelWarning, again, "the newest statement expires at %s and was not reissued", st.Expires.UTC().Format(time.RFC3339))
	}
}

// examineLedger verifies every published byte.
func (d *doctor) examineLedger(ctx context.Context) {
	if d.quick {
		return
	}
	vkey, err := publish.RecordedKey(ctx, d.in.db)
	if err != nil {
		d.fail("ledger", err, "restore the newest backup: shirase restore SRC --data OTHER")
		return
	}
	report, err := publish.Verify(ctx, d.in.db, d.in.dir, d.in.index, vkey)
	switch {
	case ctx.Err() != nil:
	case err == nil:
		if report.Database > report.Size {
			d.find("ledger-behind", levelWarning, "start shirase serve", "%d entries are committed and not served yet", report.Database-report.Size)
		}
	case len(report.Problems) == 0 && (errors.Is(err, check.ErrLayer) || errors.Is(err, files.ErrNotExist)):
		d.fail("layer", err, "shirase ledger repair")
	default:
		d.fail("ledger", err, "shirase ledger verify names each place; the whole of it comes back from a backup: shirase restore SRC --data OTHER")
	}
}

// examineWitnesses tells which witnesses did not cosign when they were asked last.
func (d *doctor) examineWitnesses(ctx context.Context) {
	w, err := d.a.readWitnesses()
	if err != nil {
		d.fail("witnesses", err, "")
		return
	}
	refusing, err := publish.Refusing(ctx, d.in.db, w)
	if err != nil {
		d.fail("witnesses", err, "")
		return
	}
	for _, r := range refusing {
		d.find("witnesses", levelWarning, "docs/handbook/witness.md says what to do about each answer", "%s has not cosigned the ledger since %s: %s",
			r.Name, r.WhySince.Format(time.RFC3339), oneLine(r.Why))
	}
}

func (d *doctor) examineRosters(ctx context.Context) {
	if d.quick {
		return
	}
	found, err := roster.VerifyFiles(ctx, d.in.db, d.in.dir)
	if err != nil {
		if ctx.Err() == nil {
			d.fail("roster", err, "")
		}
		return
	}
	for _, err := range found.Wrong {
		d.fail("roster", err, "take the file from a backup: shirase restore SRC --only files/rosters")
	}
	if found.Unrecorded > 0 {
		d.find("roster-unrecorded", levelNote, "none is needed; shirase publish reads each whole when it seals", "of %d rosters no hash is recorded, as they were made by an earlier version or again after their file was lost: that they are there is all that is known", found.Unrecorded)
	}
}

// examineCopies looks for sealed copies of keys of cases that are shredded.
func (d *doctor) examineCopies(ctx context.Context, register *backup.Register) {
	ended, err := roster.Ended(ctx, d.in.db)
	for _, id := range slices.Sorted(maps.Keys(ended)) {
		var copies []backup.Copy
		if copies, err = register.Copies(ctx, roster.KeyFile(id)); err != nil {
			break
		}
		if len(copies) > 0 {
			d.find("case-key-copies", levelWarning, "bring the folder, and: shirase scope shred "+id, "%d sealed copies of the key of %s, which is shredded, are not known to be destroyed; the first is in %s", len(copies), id, copies[0].Place)
		}
	}
	if err != nil {
		d.fail("case-key-copies", err, "see that the database is whole, and run doctor again")
	}
}

func (d *doctor) examineBackup(ctx context.Context) {
	register, err := backup.Open(ctx, d.in.db)
	if err != nil {
		d.fail("backup", err, "see that the database is whole and can be written, and run doctor again")
		return
	}
	made, place, there, err := register.Last(ctx)
	switch age := d.now().Sub(made); {
	case err != nil:
		d.fail("backup", err, "see that the database is whole, and run doctor again")
	case !there:
		d.find("backup", levelWarning, "shirase backup DEST, daily, on another disk", "there never was a backup by shirase backup")
	case age > oldBackup:
		d.find("backup", levelWarning, "shirase backup "+place, "the newest backup is %d days old", int(age.Hours()/24))
	}
	d.examineCopies(ctx, register)
}

// examinePasswords looks at the corpora that were ever made.
func (d *doctor) examinePasswords(ctx context.Context) {
	if _, err := os.Stat(d.a.passwordDir()); errors.Is(err, os.ErrNotExist) {
		return // opening would make it
	}
	p, err := password.Open(d.a.passwordDir())
	if err != nil {
		d.fail("passwords", err, "")
		return
	}
	defer p.Close()
	for _, mode := range password.Modes {
		corpus := p.Corpus(mode)
		err := corpus.Ready()
		if !d.quick && (err == nil || errors.Is(err, password.ErrDamaged)) {
			_, err = corpus.Verify(ctx, nil)
		}
		switch {
		case err == nil || errors.Is(err, password.ErrNone) || ctx.Err() != nil:
		case errors.Is(err, password.ErrIncomplete) && !errors.Is(err, password.ErrDamaged):
			d.find("passwords", levelWarning, hintOr(err, "shirase password sync goes on where it was"), "%v", err)
		default:
			d.fail("passwords", err, "shirase restore SRC --only password; or import again what shirase password verify names")
		}
	}
}

func hintOr(err error, remedy string) string {
	if own := hint.Of(err); own != "" {
		return own
	}
	return remedy
}

func (d *doctor) examineSpace() {
	free, total, err := d.space(d.a.op().Data)
	switch {
	case err != nil:
		d.find("disk", levelNote, "look with df", "how much space is left could not be asked: %v", err)
	case free < leastFree:
		d.find("disk", levelError, "make space, or move the data folder to a larger disk", "%d MiB are left on the data folder's disk", free>>20)
	case free < total/100*fewFree:
		d.find("disk", levelWarning, "make space, or move the data folder to a larger disk", "%d of %d GiB are left on the data folder's disk", free>>30, total>>30)
	}
}
