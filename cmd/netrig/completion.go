package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/compare"
	"github.com/netrig/netrig/internal/kernels"
)

//go:embed completion.bash
var bashCompletion string

const completionHelp = `
Writes the shell's part of completion: commands, options, the kernels that are
cached and the suites, kinds of differences.

Examples:

   source <(netrig completion bash)
   netrig completion bash > /etc/bash_completion.d/netrig
   autoload -U bashcompinit; bashcompinit; source <(netrig completion bash)    # in zsh`

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:         "completion",
		Usage:        "complete commands, options and kernels in a shell",
		UsageText:    "netrig completion bash",
		Description:  paragraph(completionHelp),
		OnUsageError: usageError,
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Len() != 1 || c.Args().First() != "bash" {
				return exit{statusUsage, errors.New("name the shell: netrig completion bash (zsh takes that too: see netrig completion --help)")}
			}
			_, err := io.WriteString(c.Root().Writer, bashCompletion)
			return err
		},
	}
}

// completing is the word by which the shell's part asks: what follows are the
// words of the command line up to the cursor, the unfinished one last.
const completing = "__complete"

// complete prints what the last word may become, one a line. Nothing is left to
// the shell: names of files.
func complete(root *cli.Command, words []string, w io.Writer) {
	if len(words) == 0 {
		return
	}
	last := words[len(words)-1]
	for _, c := range candidates(root, words[:len(words)-1], last) {
		if strings.HasPrefix(c, last) {
			fmt.Fprintln(w, c)
		}
	}
}

func candidates(root *cli.Command, before []string, last string) []string {
	command, arguments, cache := root, 0, os.Getenv("NETRIG_CACHE")
	for i := 0; i < len(before); i++ {
		word := before[i]
		name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case strings.HasPrefix(word, "-"):
			if takesValue(command, name) && !given {
				if i++; i == len(before) {
					return values(name, cache)
				}
				value = before[i]
			}
			if name == "cache" {
				cache = value
			}
		case arguments == 0 && command.Command(word) != nil:
			command = command.Command(word)
		default:
			if arguments++; command.Name == "vm" {
				return nil // the rest is the tests'
			}
		}
	}
	if strings.HasPrefix(last, "-") {
		return options(command)
	}
	var names []string
	for _, c := range command.Commands {
		names = append(names, c.Name)
	}
	switch command.Name {
	case "list", "fetch":
		return kernelNames(cache)
	case "completion":
		return []string{"bash"}
	}
	return names
}

// compareOptions are those of package compare, which reads them itself.
var compareOptions = []string{"--format", "--allow", "--times", "--help"}

func takesValue(command *cli.Command, name string) bool {
	if command.Name == "compare" {
		return slices.Contains(compareOptions, "--"+name) && name != "help"
	}
	for _, f := range command.Flags {
		if _, is := f.(*cli.BoolFlag); !is && slices.Contains(f.Names(), name) {
			return true
		}
	}
	return false
}

func options(command *cli.Command) []string {
	if command.Name == "compare" {
		return compareOptions
	}
	list := []string{"--help"}
	for _, f := range command.Flags {
		list = append(list, "--"+f.Names()[0])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// values are those of an option; none where it takes a file, or anything.
func values(option, cache string) (list []string) {
	switch option {
	case "kernel", "k", "good", "bad":
		return kernelNames(cache)
	case "accel":
		return []string{"auto", "kvm", "tcg"}
	case "format":
		return []string{"json", "markdown", "text"}
	case "kind", "allow":
		for _, k := range compare.Kinds() {
			list = append(list, string(k))
		}
	}
	return list
}

// kernelNames are the suites of today, and what the cache has.
func kernelNames(cache string) []string {
	names := map[string]bool{}
	for _, suite := range []string{"bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid"} {
		names["debian/"+suite] = true
	}
	if c, err := kernels.OpenCache(cache); err == nil {
		all, _ := c.List()
		for _, k := range all {
			names[k.Release] = true
		}
		for _, fetched := range c.Names() {
			for _, name := range fetched {
				if strings.HasPrefix(name, "debian/") {
					names[name] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
