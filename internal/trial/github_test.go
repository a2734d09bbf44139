package trial

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// onGitHub is a victim with a verb that fails, in a job of GitHub Actions whose
// checkout is the folder of its own folder.
func (who user) onGitHub(t *testing.T, summary string) *victim {
	t.Helper()
	machine := primed(t, who)
	v := who.victim(t, "fails")
	v.Env = append(v.Env, "GITHUB_ACTIONS=true", "GITHUB_WORKSPACE="+folder, "GITHUB_STEP_SUMMARY="+summary)
	// A binary that does not find its sources looks in the folder that it runs in.
	source := filepath.Join(v.Dir, "victim_test.go")
	require.NoError(t, os.WriteFile(source, nil, 0o644))
	v.start()
	v.readAll()
	_ = v.Wait()
	ended := time.Now()
	require.Equal(t, "exit status 1", v.ProcessState.String(), "%s", v.log())
	require.NoError(t, os.Remove(source))
	v.requireNothingLeft(machine, ended, true)
	return v
}

// TestGitHub: a failed test is annotated at its line, and the summary of the job
// has why, the network and the packets.
func TestGitHub(t *testing.T) {
	for _, who := range users() {
		t.Run(string(who), func(t *testing.T) {
			summary := filepath.Join(who.dir(t), "summary")
			require.NoError(t, os.WriteFile(summary, []byte("what was there\n"), 0o666))
			require.NoError(t, os.Chmod(summary, 0o666))
			v := who.onGitHub(t, summary)

			said := regexp.MustCompile(`(?m)^::error file=(.*),line=(\d+),title=TestVictim/1::(.*)$`).FindAllStringSubmatch(v.log(), -1)
			require.Len(t, said, 1, "%s", v.log())
			assert.Equal(t, filepath.Base(v.Dir)+"/victim_test.go", said[0][1])
			assert.Regexp(t, `(?m)^ +victim_test\.go:`+said[0][2]+`: client cannot reach`, v.log(), "the line that go test prints")
			assert.True(t, strings.HasPrefix(said[0][3], "client cannot reach 10.0.0.77: host unreachable from 10.0.0.1; want an answer%0Athe ARP request ended in server"), said[0][3])
			assert.NotContains(t, said[0][3], "echo request id", "the packets are in the log")

			raw, err := os.ReadFile(summary)
			require.NoError(t, err)
			text := string(raw)
			for _, want := range []string{
				"what was there\n", "### ❌ ` TestVictim/1 `", filepath.Base(v.Dir) + "/victim_test.go:" + said[0][2] + " `",
				"```text\nclient cannot reach 10.0.0.77", "```mermaid\n%%{init", "subgraph n2[\"gateway\"]", "192.168.1.2/24",
				"sequenceDiagram\n", "ARP who has 10.0.0.77, tell gateway #40;10.0.0.1#41;",
			} {
				assert.Contains(t, text, want)
			}
			assert.Equal(t, 1, strings.Count(text, "### ❌"))
		})
	}
}

// TestGitHubSummaryOfAnother: that it can't be written is said, and no more.
func TestGitHubSummaryOfAnother(t *testing.T) {
	who := users()[len(users())-1]
	v := who.onGitHub(t, filepath.Join(folder, "missing", "summary"))
	assert.Equal(t, 1, strings.Count(v.log(), "netrig: write the summary of the job: open "), "%s", v.log())
	assert.Contains(t, v.log(), "::error file=")
}

// TestNotOnGitHub: elsewhere nothing of it is printed.
func TestNotOnGitHub(t *testing.T) {
	who := users()[0]
	v := who.victim(t, "fails")
	v.start()
	v.readAll()
	require.Error(t, v.Wait())
	assert.NotContains(t, v.log(), "::error")
}
