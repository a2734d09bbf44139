// Command performance turns the results of the side-by-side benchmarks (a line
// of JSON each, as package bench writes them) into Markdown and a plot.
//
//	performance RESULTS                                prints the tables
//	performance RESULTS docs/performance.md README.md
//
// The second form writes them between the markers of the page, with the plot
// beside it, and the main ratios between those of the README.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

const (
	begin = "<!-- Made by make bench: begin -->\n"
	end   = "<!-- Made by make bench: end -->\n"
	// plotFile is the plot's place, as the page names it.
	plotFile = "images/performance.svg"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "performance:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 && len(args) != 3 {
		return fmt.Errorf("want RESULTS [PAGE README]")
	}
	raw, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	contests, err := read(bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	machine, err := machine()
	if err != nil {
		return err
	}
	slices.SortStableFunc(contests, inOrder)
	text := tables(contests, machine)
	if len(args) == 1 {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	text += fmt.Sprintf("\n![Seconds for each work and contender, on a logarithmic scale](%s)\n", plotFile)
	if err := rewrite(args[1], text); err != nil {
		return err
	}
	if err := rewrite(args[2], ratios(contests)); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(filepath.Dir(args[1]), plotFile), []byte(plot(contests)), 0o644)
}

// rewrite puts a text between the markers of a file.
func rewrite(file, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if page, err = between(page, text); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, page, 0o644)
}

// between puts a text between the markers of a page.
func between(page []byte, text string) ([]byte, error) {
	before, rest, found := bytes.Cut(page, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return nil, fmt.Errorf("it has no lines %q and %q", begin[:len(begin)-1], end[:len(end)-1])
	}
	return bytes.Join([][]byte{before, []byte(begin), []byte(text), []byte(end), after}, nil), nil
}
