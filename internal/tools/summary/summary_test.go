package main

import (
	"strings"
	"testing"
)

func run(lines ...string) (string, bool) {
	var out strings.Builder
	s := newSummary(&out)
	if err := s.read(strings.NewReader(strings.Join(lines, "\n") + "\n")); err != nil {
		return err.Error(), false
	}
	ok := s.close()
	return out.String(), ok
}

func output(test, text string) string {
	return `{"Action":"output","Package":"p","Test":"` + test + `","Output":"` + text + `\n"}`
}

func action(what, test string) string {
	return `{"Action":"` + what + `","Package":"p","Test":"` + test + `"}`
}

func TestSummary(t *testing.T) {
	passed := []string{
		action("run", "TestA"), output("TestA", "=== RUN   TestA"), output("TestA", "    chatter"), action("pass", "TestA"),
	}
	ended := []string{output("", "PASS"), output("", "ok  \\tp\\t0.1s"), action("pass", "")}
	with := func(head string, more ...string) []string {
		return append(append(append([]string{head}, passed...), more...), ended...)
	}

	tests := []struct {
		name       string
		lines      []string
		ok         bool
		want, lack string
	}{
		{"pass", with("## as root"), true,
			"## as root\nok  \tp\t0.1s\n\nas root: 1 passed, 0 failed, 0 skipped (packages with tests: 1)\n", "chatter"},
		{"skip with its reason", with("## as root",
			action("run", "TestB"), output("TestB", "    b_test.go:3: no tshark"),
			output("TestB", "--- SKIP: TestB (0.00s)"), action("skip", "TestB")), true,
			"1 skipped (packages with tests: 1)\n    skipped p TestB: b_test.go:3: no tshark\n", "--- SKIP"},
		{"the same skip twice", with("## as root",
			action("run", "TestB"), action("skip", "TestB"), action("run", "TestB"), action("skip", "TestB")), true,
			"2 skipped (packages with tests: 1)\n    skipped p TestB: no reason given (2 times)\n", ""},
		{"failure", with("## as root",
			action("run", "TestB"), output("TestB", "    b_test.go:3: lost"), action("fail", "TestB")), false,
			"    FAILED p TestB\n", ""},
		{"failure in an earlier part", append(with("## as root", action("run", "TestB"), action("fail", "TestB")),
			with("## as nobody")...), false,
			"as nobody: 1 passed, 0 failed, 0 skipped (packages with tests: 1)\n", ""},
		{"never ended", with("## as root", action("run", "TestB"), output("TestB", "panic: gone")), false,
			"--- UNFINISHED: TestB\npanic: gone\n", ""},
		{"package never ended", append([]string{"## as root"}, passed...), false, "p never ended\n", ""},
		{"package cut off in mid-output", append(append([]string{"## as root"}, passed...), output("", "signal: killed")), false,
			"signal: killed\n", ""},
		{"build failure", with("## as root", `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: bad\n"}`,
			`{"ImportPath":"p","Action":"build-fail"}`), false, "x.go:1: bad\n", ""},
		{"a half that ran nothing", []string{"## as root"}, false, "no test passed here", ""},
		{"a half that skipped all", append(append(with("## as root"), "## as nobody",
			action("run", "TestB"), output("TestB", "    b_test.go:3: not as a user"), action("skip", "TestB")), ended...), true,
			"    skipped p TestB: b_test.go:3: not as a user\n    no test passed here: all that were selected were skipped\n", "failure"},
		{"a half not run", append([]string{"## not run as root: no sudo"}, with("## as me")...), true,
			"(packages with tests: 1)\nnot run as root: no sudo\n", ""},
		{"nothing at all", nil, false, "", ""},
		{"a long line", with("## as root", action("run", "TestB"), output("TestB", strings.Repeat("x", 1<<20)), action("fail", "TestB")),
			false, strings.Repeat("x", 1<<20), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := run(test.lines...)
			if ok != test.ok {
				t.Errorf("ok = %v, want %v", ok, test.ok)
			}
			if !strings.Contains(got, test.want) {
				t.Errorf("got:\n%.2000s\nwant in it:\n%.2000s", got, test.want)
			}
			if test.lack != "" && strings.Contains(got, test.lack) {
				t.Errorf("got:\n%s\nwant this not in it: %q", got, test.lack)
			}
		})
	}
}
