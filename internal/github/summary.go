package github

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// most is how large the summary of a step may become. GitHub drops one of more
	// than 1 MiB, as a whole; other programs of the step may write some of it too.
	most = 900 << 10
	// end is written once when there is no room for more.
	end = "\n**More tests failed; there is no room for them in this summary.**\n"
)

// Summarise adds Markdown to the summary of the step. Processes that do so at
// the same time wait for each other.
func Summarise(markdown string) error {
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return errors.New("GITHUB_STEP_SUMMARY is not set; with -exec sudo it needs --preserve-env=GITHUB_ACTIONS,GITHUB_WORKSPACE,GITHUB_STEP_SUMMARY")
	}
	// The runner has made it.
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return fmt.Errorf("write the summary of the job: %w", err)
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil { // until it is closed
		return fmt.Errorf("lock the summary of the job: %w", err)
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("write the summary of the job: %w", err)
	}
	text := markdown
	if size+int64(len(text)) > most {
		text = end
		last := make([]byte, len(end))
		if n, _ := file.ReadAt(last, max(0, size-int64(len(end)))); string(last[:n]) == end {
			return nil
		}
	}
	if _, err := file.WriteString(text); err != nil {
		return fmt.Errorf("write the summary of the job: %w", err)
	}
	return nil
}

// Span is text as code in a line of Markdown.
func Span(text string) string {
	fence := strings.Repeat("`", longest(text)+1)
	return fence + " " + strings.ReplaceAll(text, "\n", " ") + " " + fence
}

// Block is text as a block of code of a language in Markdown, which ends where
// the text ends, whatever is in it.
func Block(language, text string) string {
	fence := strings.Repeat("`", max(3, longest(text)+1))
	return fence + language + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}

// longest is the length of the longest run of backticks.
func longest(text string) int {
	most, run := 0, 0
	for _, r := range text {
		if run++; r != '`' {
			run = 0
		}
		most = max(most, run)
	}
	return most
}
