// Package testflag knows the flags that go test hands to a test binary.
package testflag

import "strings"

// WithoutLog are a test binary's arguments, its name not among them, without
// -test.testlogfile. From that log go test learns which files and variables a test
// depends on, and then takes its result from the cache as long as they stay: but
// tests of networks depend on the kernel. Without the log it does not cache.
func WithoutLog(args []string) []string {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		name := strings.TrimPrefix(arg, "-")
		if strings.HasPrefix(arg, "-") && strings.HasPrefix(strings.TrimPrefix(name, "-"), "test.testlogfile=") {
			continue
		}
		out = append(out, arg)
	}
	return out
}
