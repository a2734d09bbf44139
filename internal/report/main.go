package report

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Statuses of the command.
const (
	StatusWritten = 0 // the report has all that there was
	StatusPartly  = 1 // the report is written, and says which files could not be read or are missing
	StatusCannot  = 2 // there is no report
)

// Usage is the help of `netrig report`.
const Usage = `netrig report - write what tests left behind as one HTML file

    netrig report [options] DIR

DIR is a folder with what tests have left behind, in it or anywhere below: those
that failed, and with NETRIG_KEEP=1 those that passed or were skipped, too. The
report opens from disk in any browser and needs no network: the list of tests,
and for each why it failed, its network and its story drawn, every packet with
its layers and bytes, and what the kernel said of each node, before and after.

Keys: / searches, j and k (or arrows) go through tests or packets, Enter opens,
? has the others.

Options:
    -o FILE     write there; - is standard output. The default is
                DIR/report.html
    --help      this text

Exit status:
    0   the report is written
    1   the report is written, but some files could not be read, or not wholly,
        or are missing that every test leaves behind (lab.pcapng, state.json,
        story.txt, test.json); the report and standard error say which
    2   there is no report: nothing was found, or it could not be written

Examples:
    Of the tests that fail:
        mkdir -p out
        go test -artifacts -outputdir=$PWD/out ./...
        netrig report out

    Of all tests:
        NETRIG_KEEP=1 go test -artifacts -outputdir=$PWD/out ./...
        netrig report -o network.html out

    Of one test that failed without -artifacts, in the folder that it printed:
        netrig report /tmp/netrig-TestRouter-3893636690
`

// Main is the command: it takes what follows `netrig report` and returns the
// exit status.
func Main(args []string, stdout, stderr io.Writer) int {
	folder, file, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, Usage)
		return StatusWritten
	}
	fail := func(err error) int {
		fmt.Fprintf(stderr, "netrig report: %v\n", err)
		return StatusCannot
	}
	if err != nil {
		return fail(fmt.Errorf("%w; see `netrig report --help`", err))
	}
	sets, denied, err := read(folder)
	if err != nil {
		return fail(err)
	}
	if file == "-" {
		err = write(stdout, sets, denied)
	} else {
		err = writeFile(file, sets, denied)
	}
	if err != nil {
		return fail(fmt.Errorf("write the report: %w", err))
	}
	status := StatusWritten
	for _, problem := range denied {
		status = StatusPartly
		fmt.Fprintf(stderr, "netrig report: %s\n", problem)
	}
	for _, s := range sets {
		for _, problem := range s.problems {
			status = StatusPartly
			fmt.Fprintf(stderr, "netrig report: %s: %s\n", s.folder, problem)
		}
	}
	if file != "-" {
		tests := "tests"
		if len(sets) == 1 {
			tests = "test"
		}
		fmt.Fprintf(stdout, "%d %s: %s\n", len(sets), tests, file)
	}
	return status
}

// writeFile writes the page into a file that appears whole or not at all.
func writeFile(file string, sets []*set, problems []string) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".report-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	out := bufio.NewWriter(temporary)
	err = errors.Join(write(out, sets, problems), out.Flush(), temporary.Chmod(0o644), temporary.Close())
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}

// parse takes options before and behind the folder.
func parse(args []string) (folder, file string, err error) {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&file, "o", "", "")
	var folders []string
	for {
		if err = flags.Parse(args); err != nil {
			return "", "", err
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		folders, args = append(folders, args[0]), args[1:]
	}
	if len(folders) != 1 {
		return "", "", fmt.Errorf("it takes one folder, DIR, not %d", len(folders))
	}
	if file == "" {
		file = filepath.Join(folders[0], "report.html")
	}
	return folders[0], file, nil
}
