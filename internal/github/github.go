// Package github tells GitHub Actions of failed tests: an annotation at a line
// of the source, and text in the summary of the job
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
package github

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Runs tells whether the process is part of a job of GitHub Actions.
func Runs() bool { return os.Getenv("GITHUB_ACTIONS") == "true" }

// Annotation is the line that makes the runner annotate a line of a file, an
// error; file may be "", for the job as a whole.
func Annotation(file string, line int, title, text string) string {
	var places []string
	if file != "" {
		places = append(places, "file="+property(file), fmt.Sprintf("line=%d", line))
	}
	places = append(places, "title="+property(title))
	return "::error " + strings.Join(places, ",") + "::" + data(text) + "\n"
}

// data escapes what a command says. Nothing of it can be another command: those
// begin a line.
func data(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(text)
}

// property escapes the value of a command's property.
func property(text string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(text)
}

// Path is a source file as annotations name it, from the root of the checkout;
// "" for one that is not in it. A binary built with -trimpath does not know where
// its sources are: then it is looked for in dir, the folder of its package.
func Path(file, dir string) string {
	root, err := filepath.EvalSymlinks(os.Getenv("GITHUB_WORKSPACE"))
	if err != nil {
		return ""
	}
	for _, candidate := range []string{file, filepath.Join(dir, filepath.Base(file))} {
		real, err := filepath.EvalSymlinks(candidate)
		if err != nil || !filepath.IsAbs(real) {
			continue
		}
		if path, err := filepath.Rel(root, real); err == nil && filepath.IsLocal(path) {
			return filepath.ToSlash(path)
		}
	}
	return ""
}
