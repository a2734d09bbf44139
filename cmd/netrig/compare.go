package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/compare"
)

// compareCommand hands its arguments on as they are: package compare has the
// options, the help and the exit status.
func compareCommand() *cli.Command {
	return &cli.Command{
		Name:            "compare",
		Usage:           "tell what changed between two runs of the tests",
		UsageText:       "netrig compare [OPTIONS] BEFORE AFTER",
		SkipFlagParsing: true,
		HideHelp:        true, // its own
		Action: func(_ context.Context, c *cli.Command) error {
			if status := compare.Main(c.Args().Slice(), c.Root().Writer, c.Root().ErrWriter); status != compare.StatusSame {
				return exit{status: status}
			}
			return nil
		},
	}
}
