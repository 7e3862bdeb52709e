package bounce

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// oracle has Sisimai read a folder: a line a recipient, of file, address, reason and status.
const oracle = `use Sisimai;
my $read = Sisimai->make($ARGV[0], delivered => 1, vacation => 1);
for my $e (@{$read || []}) {
	my $file = $e->origin // ''; $file =~ s{.*/}{};
	print join("\t", $file, $e->recipient->address, $e->reason, $e->deliverystatus), "\n";
}`

// TestSisimai reads every message beside Debian's libsisimai-perl, prints both in a table, and fails where they differ and
// testdata/differences.tsv does not say why, or says so where they do not differ any more.
func TestSisimai(t *testing.T) {
	if exec.Command("perl", "-MSisimai", "-e", "1").Run() != nil {
		t.Skip("Debian's libsisimai-perl is not here: run ./test")
	}
	cmd := exec.Command("perl", "-e", oracle, folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		f := strings.Split(line, "\t")
		if len(f) == 3 { // no status
			f = append(f, "")
		}
		if len(f) != 4 {
			t.Fatalf("%q", line)
		}
		theirs[f[0]] = append(theirs[f[0]], f[2])
	}
	explained := map[string][]string{}
	for _, row := range rows(t, "testdata/differences.tsv", 4) {
		explained[row[0]] = row
	}
	var table strings.Builder
	same, total := 0, 0
	for _, row := range rows(t, "testdata/expected.tsv", 5) {
		r, err := Parse(message(t, row[0]))
		if err != nil {
			t.Fatal(err)
		}
		ours := "-"
		var all []string
		for _, rcpt := range r.Recipients {
			all = append(all, string(rcpt.Reason))
		}
		slices.Sort(all)
		if len(all) > 0 {
			ours = strings.Join(all, ",")
		}
		slices.Sort(theirs[row[0]])
		other := strings.Join(theirs[row[0]], ",")
		if other == "" {
			other = "-"
		}
		total++
		mark, why := "", explained[row[0]]
		if ours == other {
			same++
			if why != nil {
				t.Errorf("%s: both say %s, and differences.tsv explains a difference", row[0], ours)
			}
		} else {
			mark = "  differs"
			if why == nil || why[1] != ours || why[2] != other || strings.TrimSpace(why[3]) == "" {
				t.Errorf("%s: we say %s and Sisimai %s, which testdata/differences.tsv does not explain", row[0], ours, other)
			}
		}
		delete(explained, row[0])
		fmt.Fprintf(&table, "%-34s %-16s %-16s%s\n", row[0], ours, other, mark)
	}
	for name := range explained {
		t.Errorf("differences.tsv explains %s, which is not there", name)
	}
	t.Logf("%d messages, %d classified alike; ours beside Sisimai's:\n%s", total, same, table.String())
	if same*3 < total*2 {
		t.Errorf("only %d of %d are classified alike", same, total)
	}
}
