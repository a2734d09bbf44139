package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/urfave/cli/v3"
)

// Every command's help says how it is called, what it does, what its options are,
// and has examples that name it.
func TestEveryHelp(t *testing.T) {
	var visit func(path []string, c *cli.Command)
	visit = func(path []string, c *cli.Command) {
		name := strings.Join(path, " ")
		var out, complaints bytes.Buffer
		status := run(append(path, "--help"), &out, &complaints)
		assert.Zero(t, status, name)
		assert.Empty(t, complaints.String(), name)
		text := out.String()
		assert.Contains(t, text, name, "%s: how it is called", name)
		_, examples, ok := strings.Cut(text, "xamples:")
		assert.True(t, ok, "%s has no examples", name)
		assert.Contains(t, examples, "netrig", "%s: its examples", name)
		if len(c.Commands) == 0 {
			assert.Contains(t, examples, name, "%s: its examples", name)
		}
		if len(c.Commands) == 0 && name != "netrig completion" && !strings.HasPrefix(name, "netrig kernels") {
			assert.Contains(t, text, "xit status", name)
		}
		for line := range strings.Lines(text) {
			if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(strings.TrimSpace(line), "--") && strings.HasPrefix(line, "   ") && !strings.HasPrefix(line, "      ") {
				assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 90, "%s: %s", name, line)
			}
		}
		for _, sub := range c.Commands {
			visit(append(path[:len(path):len(path)], sub.Name), sub)
		}
	}
	visit([]string{"netrig"}, root(&bytes.Buffer{}, &bytes.Buffer{}))
}
