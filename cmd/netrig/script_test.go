package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	// This binary plays netrig in the scripts, and so it is a machine's first process
	// too, by the import in main.go.
	testscript.Main(m, map[string]func(){"netrig": main})
}

// The scripts in testdata/script specify the command line.
func TestScripts(t *testing.T) {
	scripts(t, "testdata/script", nil)
}

// scripts runs the scripts of a folder, with more variables.
func scripts(t *testing.T, folder string, variables map[string]string) {
	testscript.Run(t, testscript.Params{
		Dir:                 folder,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
				out, err := exec.Command("go", "env", name).Output()
				if err != nil {
					return err
				}
				e.Setenv(name, strings.TrimSpace(string(out)))
			}
			e.Setenv("NETRIG_CACHE", filepath.Join(e.WorkDir, "cache"))
			for name, value := range variables {
				e.Setenv(name, value)
			}
			return nil
		},
	})
}
