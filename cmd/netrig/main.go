// Command netrig runs tests of networks on kernels that are not the running
// one. See `netrig --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	_ "github.com/netrig/netrig/internal/vm/guest" // inside a machine this program is its first process, and modprobe
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// Exit statuses of netrig itself. Those of tests are usually 0, 1 and 2, and
// those of a shell 126 and more.
const (
	statusUsage     = 64  // the command line is wrong
	statusComplaint = 123 // the tests passed, and the kernel complained
	statusCrash     = 124 // the machine ended before the tests did
	statusCannot    = 125 // the tests could not be run
	statusSignal    = 128 // and the number of the signal
)

// exit is an error that carries a status. Without a text there is nothing to
// say.
type exit struct {
	status int
	err    error
}

func (e exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exit) Unwrap() error { return e.err }

// run is the whole program, but for its end.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	deadly := make(chan os.Signal, 1)
	signal.Notify(deadly, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(deadly)
	go func() {
		s := (<-deadly).(syscall.Signal)
		stop(exit{statusSignal + int(s), fmt.Errorf("ended by %s", s)})
	}()

	command := root(stdout, stderr)
	if len(args) > 1 && args[1] == completing {
		complete(command, args[2:], stdout)
		return 0
	}
	err := command.Run(ctx, args)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return 0
	}
	var e exit
	if !errors.As(err, &e) {
		e = exit{statusCannot, err}
	}
	if text := e.Error(); text != "" {
		fmt.Fprintf(stderr, "netrig: %s\n", text)
	}
	return e.status
}

func root(stdout, stderr io.Writer) *cli.Command {
	return &cli.Command{
		Name:            "netrig",
		Usage:           "run tests of networks on other kernels",
		UsageText:       "netrig COMMAND [OPTIONS] [ARGUMENTS]",
		Description:     paragraph(rootHelp),
		Writer:          stdout,
		ErrWriter:       stderr,
		Suggest:         true,
		HideHelpCommand: true,
		ExitErrHandler:  func(context.Context, *cli.Command, error) {}, // run has the last word
		OnUsageError:    usageError,
		Commands:        []*cli.Command{vmCommand(), matrixCommand(), kernelsCommand(), compareCommand(), bisectCommand(), reportCommand(), completionCommand()},
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return exit{statusUsage, fmt.Errorf("%q is no command: see netrig --help", c.Args().First())}
			}
			return cli.ShowRootCommandHelp(c)
		},
	}
}

const rootHelp = `
Tests that use netrig's harness run on the kernel that runs. netrig takes the
same test binary to another kernel, in a small virtual machine (qemu), to answer
before an update whether the network will still behave.

Examples:

   netrig kernels fetch debian/trixie
   go test -exec 'netrig vm --kernel debian/trixie' ./scenarios/...
   netrig matrix ./scenarios
   netrig compare before after
   netrig bisect --good debian/trixie-backports=6.18 --bad debian/trixie-backports ./scenarios
   NETRIG_KEEP=1 go test -artifacts -outputdir=$PWD/out ./scenarios; netrig report out
   source <(netrig completion bash)

Exit statuses of netrig itself: 64 wrong command line, 123 the tests passed but
the kernel complained, 124 the machine ended before the tests did, 125 the tests
could not be run.`

func usageError(_ context.Context, c *cli.Command, err error, _ bool) error {
	return exit{statusUsage, fmt.Errorf("%w: see %s --help", err, c.FullName())}
}

// paragraph is a text of several lines as the help wants it.
func paragraph(text string) string { return strings.TrimSpace(text) }
