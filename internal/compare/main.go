package compare

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/netrig/netrig/internal/baseline"
	"github.com/netrig/netrig/internal/journal"
)

// Usage is the help of `netrig compare`.
func Usage() string { return fmt.Sprintf(usage, kindNames()) }

const usage = `netrig compare - tell what changed between two runs of the tests

    netrig compare [options] BEFORE AFTER

BEFORE and AFTER are folders of journals, which tests write with
NETRIG_JOURNAL=DIR and netrig matrix with --json, or files of them
(KERNEL.journals.zst, as in testdata/baseline). Told are tests that end otherwise, and observed behaviour
that changed although the tests still pass: answers, TTLs, the way of packets,
ICMP errors and who sent them, links, addresses, routes, neighbours, bridges,
filters, tracked connections, counters, the sysctls of a fresh namespace, the
options that the kernels were built with, where they are known, and, to know, the
modules that were loaded and what the tests themselves did.

A side may be several runs: of one folder that was written with -count, or of
several folders with commas between. A difference counts only when every run of
one side differs from every run of the other.

Options:
    --format text|json|markdown
                    text is for people, json for machines, markdown for the
                    summary of a job; the default is text
    --allow KIND[,KIND...]
                    tell differences of these kinds, but don't take them for a
                    change for the worse: %s
    --times FACTOR  tell what took more than FACTOR times as long; times never
                    decide the exit status
    --help          this text

Exit status:
    0   as before, or better
    1   changed for the worse: a test does not pass any more, or something
        behaves otherwise
    2   could not compare

Examples:
    Before and after a change, three times each:
        NETRIG_JOURNAL=/tmp/before go test -count=3 ./scenarios
        NETRIG_JOURNAL=/tmp/after  go test -count=3 ./scenarios
        netrig compare /tmp/before /tmp/after

    In a GitHub job:
        netrig compare --format markdown before after >> "$GITHUB_STEP_SUMMARY"

    A kernel with what was once recorded of another:
        netrig compare testdata/baseline/6.1.0-50-cloud-amd64_6.1.176-1.journals.zst after

    Changed defaults are known, all else is not to change:
        netrig compare --allow sysctls,addresses before after
`

// Main is the command: it takes what follows `netrig compare` and returns the
// exit status.
func Main(args []string, stdout, stderr io.Writer) int {
	format, allow, factor, folders, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, Usage())
		return StatusSame
	}
	fail := func(err error) int {
		fmt.Fprintf(stderr, "netrig compare: %v\n", err)
		return StatusCannot
	}
	if err != nil {
		return fail(fmt.Errorf("%w; see `netrig compare --help`", err))
	}
	sides := make([][]*journal.Folder, len(folders))
	for i, side := range folders {
		for _, path := range strings.Split(side, ",") {
			f, err := baseline.Read(path)
			if err != nil {
				return fail(err)
			}
			sides[i] = append(sides[i], f)
		}
	}
	result, err := Compare(sides[0], sides[1], Options{Allow: allow, Factor: factor})
	if err != nil {
		return fail(err)
	}
	write := map[string]func(io.Writer) error{"text": result.Text, "json": result.JSON, "markdown": result.Markdown}[format]
	if err := write(stdout); err != nil {
		return fail(fmt.Errorf("write the result: %w", err))
	}
	return result.Status
}

func kindNames() string {
	names := make([]string, 0, len(Kinds()))
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// parse takes options before, between and behind the folders.
func parse(args []string) (format string, allow []Kind, factor float64, folders []string, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&format, "format", "text", "")
	flags.Float64Var(&factor, "times", 0, "")
	allowed := flags.String("allow", "", "")
	for {
		if err = flags.Parse(args); err != nil {
			return
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		folders, args = append(folders, args[0]), args[1:]
	}
	for name := range strings.SplitSeq(*allowed, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.Contains(Kinds(), Kind(name)) {
			err = fmt.Errorf("--allow: there is no kind %q; there are %s", name, kindNames())
			return
		}
		allow = append(allow, Kind(name))
	}
	switch {
	case len(folders) != 2:
		err = fmt.Errorf("it takes two folders of journals, BEFORE and AFTER, not %d", len(folders))
	case !slices.Contains([]string{"text", "json", "markdown"}, format):
		err = fmt.Errorf("--format: %q is not text, json or markdown", format)
	case factor != 0 && factor <= 1:
		err = fmt.Errorf("--times: a factor of %g is not above 1", factor)
	}
	return
}
