// Package victim is a test binary for the tests of package sandbox to start, to
// look at and to kill.
package victim

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/netrig/netrig/internal/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestPass(t *testing.T) {
	if Covered() != 42 {
		t.Error("arithmetic")
	}
}

func TestFail(t *testing.T)  { t.Fatal("on purpose") }
func TestPanic(t *testing.T) { panic("on purpose") }
func TestExit(t *testing.T)  { os.Exit(7) }
func TestExit0(t *testing.T) { os.Exit(0) }

func TestArtifact(t *testing.T) {
	if err := os.WriteFile(t.ArtifactDir()+"/kept", nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestHang hangs until the process is killed.
func TestHang(t *testing.T) {
	fmt.Println("ready")
	select {}
}

// TestDaemon starts a program that leaves the session and the parent, and then
// does what VICTIM_THEN says.
func TestDaemon(t *testing.T) {
	out, err := exec.Command("sh", "-c", `setsid sh -c 'sleep 1000 >/dev/null 2>&1 </dev/null & echo started'`).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "started" {
		t.Fatalf("start a daemon: %v: %s", err, out)
	}
	switch os.Getenv("VICTIM_THEN") {
	case "hang":
		fmt.Println("ready")
		select {}
	case "panic":
		panic("on purpose")
	case "fatal":
		t.Fatal("on purpose")
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// TestAtOnce prints how many tests may run at once, and on how many threads.
func TestAtOnce(t *testing.T) {
	fmt.Printf("parallel=%s threads=%d\n", flag.Lookup("test.parallel").Value, runtime.GOMAXPROCS(0))
}

// TestSlack prints the timer slack of the process's threads, in nanoseconds, in the
// order of their numbers.
func TestSlack(t *testing.T) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(threads, func(a, b os.DirEntry) int {
		return cmp.Or(cmp.Compare(len(a.Name()), len(b.Name())), cmp.Compare(a.Name(), b.Name()))
	})
	for _, thread := range threads {
		slack, err := os.ReadFile("/proc/" + thread.Name() + "/timerslack_ns")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("slack=%s\n", strings.TrimSpace(string(slack)))
	}
}

// TestLook prints what the process is given, a line each.
func TestLook(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	stdin, err := io.ReadAll(os.Stdin)
	if err != nil {
		t.Fatal(err)
	}
	umask := syscall.Umask(0o22)
	exe, _ := os.Executable()
	comm, _ := os.ReadFile("/proc/self/comm")
	fmt.Printf("cwd=%s\nstdin=%s\nvar=%s\nargs=%q\numask=%o\nactive=%t\nuid=%d\npid=%d\nexe=%s\ncomm=%s",
		dir, stdin, os.Getenv("VICTIM_VAR"), os.Args[1:], umask, sandbox.Active(), os.Getuid(), os.Getpid(), exe, comm)
	if os.Getenv("VICTIM_FD") != "" {
		text, err := io.ReadAll(os.NewFile(7, "inherited"))
		fmt.Printf("fd7=%s %v\n", text, err)
	}
	fmt.Fprintln(os.Stderr, "to stderr")
}

// TestPlace prints what a shell sees of the sandbox.
func TestPlace(t *testing.T) {
	script := os.Getenv("VICTIM_SCRIPT")
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

// TestSignals prints the signals that arrive, until SIGUSR2.
func TestSignals(t *testing.T) {
	ch := make(chan os.Signal, 100)
	signal.Notify(ch, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	fmt.Println("ready")
	for s := range ch {
		fmt.Println("got", s.(syscall.Signal))
		if s == syscall.SIGUSR2 {
			return
		}
	}
}

// TestThread checks that no goroutine but the main one is on the main thread.
func TestThread(t *testing.T) {
	for range 100 {
		done := make(chan bool)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			done <- syscall.Gettid() == syscall.Getpid()
		}()
		if <-done {
			t.Fatal("a goroutine runs on the main thread")
		}
	}
}

// TestNested runs this binary once more with a NETRIG_SANDBOX of VICTIM_NESTED.
func TestNested(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=TestPlace")
	if value, ok := os.LookupEnv("VICTIM_NESTED"); ok {
		cmd.Env = append(os.Environ(), "NETRIG_SANDBOX="+value)
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

func FuzzCovered(f *testing.F) {
	f.Add(1)
	f.Fuzz(func(t *testing.T, n int) {
		if !sandbox.Active() {
			t.Error("a fuzz worker outside")
		}
		if Covered() != 42 {
			t.Error(n)
		}
	})
}

func BenchmarkCovered(b *testing.B) {
	for b.Loop() {
		Covered()
	}
}
