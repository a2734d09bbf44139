package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/report"
)

// reportCommand hands its arguments on as they are, as compareCommand does.
func reportCommand() *cli.Command {
	return &cli.Command{
		Name:            "report",
		Usage:           "write what tests left behind as one HTML file",
		UsageText:       "netrig report [OPTIONS] DIR",
		SkipFlagParsing: true,
		HideHelp:        true, // its own
		Action: func(_ context.Context, c *cli.Command) error {
			if status := report.Main(c.Args().Slice(), c.Root().Writer, c.Root().ErrWriter); status != report.StatusWritten {
				return exit{status: status}
			}
			return nil
		},
	}
}
