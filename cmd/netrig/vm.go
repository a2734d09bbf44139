package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/netrig/netrig/internal/hostconfig"
	"github.com/netrig/netrig/internal/kernels"
	"github.com/netrig/netrig/internal/vm"
)

const vmHelp = `
Boots a kernel in a virtual machine that holds the test binary, the programs that
tests call, and the kernel's modules, and runs the tests there as root. What they
print comes out as they print it, the exit status is theirs, and the files that
they write come back: profiles, coverage, artifacts, golden files, and what
failed tests of netrig keep in the temporary directory.

The kernel is one of

   debian/SUITE              the newest of a suite, cloud flavour; fetched when it
                             is not in the cache (kernels fetch looks for a newer)
   debian/SUITE=VERSION      a version, or the start of one: =6.18
   debian/SUITE:full         the kernel for real machines
   debian/SUITE:arm64        for another architecture: amd64 or arm64
   FILE.deb[,FILE.deb...]    package files, all those of one kernel
   /boot/vmlinuz-RELEASE     an installed one, with /lib/modules/RELEASE
   RELEASE                   one in the cache (netrig kernels list)

Inside, the tests have the caller's environment less what is about this machine,
NETRIG_REQUIRE=1 unless it is set, no network but their own, and the directories
testdata of the package and of those above it in its module. Journals that
NETRIG_JOURNAL=DIR asks for come back into DIR, one kernel to a folder.

A kernel for another architecture is emulated; it wants netrig itself (--init) and
the tests built for that, and gets none of this machine's programs.

With --host-config the machine applies what this system applies when it starts:
modprobe.d (options, blacklist, alias, and install MODULE /bin/true or false),
modules-load.d, the sysctls below net of sysctl.d and /etc/sysctl.conf, and the
rules of /etc/nftables.conf. What can't be applied is told: a sysctl that the
kernel does not have, a module that is not there, rules that it refuses. Tests
that set a sysctl themselves have the last word.

With --leaks they run twice, the second time silently, and the kernel is at rest
before it is counted what it holds: namespaces, references to modules, objects in
its caches. What is more after the second time is a complaint (status 123).

Examples:

   go test -exec 'netrig vm --kernel debian/bookworm' ./scenarios/...
   go test -exec 'netrig vm --kernel debian/sid --host-config' ./scenarios/...
   go test -exec 'netrig vm --kernel debian/trixie-backports=6.18' -v -run TestRouter ./scenarios
   go test -exec 'netrig vm --kernel /boot/vmlinuz-6.12.107+deb13-amd64' ./...
   go test -exec 'netrig vm --kernel debian/sid --leaks' -count=250 -run TestVethPair ./scenarios
   go test -c -o lan.test ./lan && netrig vm --kernel debian/sid ./lan.test -test.v
   CGO_ENABLED=0 GOARCH=arm64 go build -o netrig.arm64 github.com/netrig/netrig/cmd/netrig
   CGO_ENABLED=0 GOARCH=arm64 go test -exec "netrig vm --kernel debian/trixie:arm64 --init $PWD/netrig.arm64" ./lan

Exit status: that of the tests (128 and the number of a signal that ended them),
or 123 when they passed and the kernel complained on its console, 124 when the
machine ended before they did (a crash, a hang, too little memory), 125 when they
could not be run, 64 for a wrong command line.`

func vmCommand() *cli.Command {
	one := 1
	return &cli.Command{
		Name:         "vm",
		Usage:        "run a test binary on another kernel",
		UsageText:    "netrig vm --kernel KERNEL [OPTIONS] TEST-BINARY [ARGUMENTS]",
		Description:  paragraph(vmHelp),
		OnUsageError: usageError,
		StopOnNthArg: &one, // the rest is for the tests
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "kernel", Aliases: []string{"k"}, Usage: "the kernel to boot", Sources: cli.EnvVars("NETRIG_KERNEL")},
			&cli.IntFlag{Name: "memory", Value: vm.DefaultMemory, Usage: "memory of the machine in `MB`"},
			&cli.StringFlag{Name: "accel", Value: "auto", Usage: "kvm, tcg (emulation), or auto: kvm if it is seen to work"},
			&cli.StringSliceFlag{Name: "program", Usage: "take a `PROGRAM` along, with its libraries, in addition to the usual ones"},
			&cli.StringSliceFlag{Name: "file", Usage: "take a file or directory along, to the same `PATH`"},
			&cli.StringFlag{Name: "init", Usage: "netrig itself, as a `FILE` built for the kernel's architecture where that is not this machine's"},
			&cli.StringSliceFlag{Name: "without-module", Usage: "withhold a `MODULE`"},
			&cli.StringSliceFlag{Name: "append", Usage: "a `PARAMETER` for the kernel"},
			&cli.BoolFlag{Name: "leaks", Usage: "run the tests twice, and complain of what the kernel holds more after the second time"},
			hostFlag(),
			hostRootFlag(),
			&cli.StringFlag{Name: "console", Usage: "write all that the kernel prints to a `FILE`"},
			cacheFlag(),
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing of the machine unless something is wrong"},
		},
		Action: runVM,
	}
}

func cacheFlag() cli.Flag {
	return &cli.StringFlag{Name: "cache", Usage: "`DIRECTORY` for kernels (default: netrig in the user's cache directory)", Sources: cli.EnvVars("NETRIG_CACHE")}
}

func runVM(ctx context.Context, c *cli.Command) error {
	if !c.Args().Present() {
		return exit{statusUsage, errors.New("no test binary is named: it is what `go test -exec` adds, or `go test -c` builds: see netrig vm --help")}
	}
	if c.String("kernel") == "" {
		return exit{statusUsage, errors.New("no kernel is named: --kernel " + kernels.Forms)}
	}
	if c.Int("memory") < 64 {
		return exit{statusUsage, fmt.Errorf("--memory %d: a kernel needs 64 MB at least", c.Int("memory"))}
	}
	say := teller(c)
	cache, err := openCache(c)
	if err != nil {
		return err
	}
	kernel, err := cache.Find(ctx, c.String("kernel"))
	if err != nil {
		return err
	}
	config, err := configOf(c, kernel, cache)
	if err != nil {
		return err
	}
	config.Say = say
	if !c.Bool("quiet") {
		config.Started = func(b vm.Boot) { say("%s", booted(b)) }
	}
	if file := c.String("console"); file != "" {
		f, err := os.Create(file)
		if err != nil {
			return fmt.Errorf("keep the console: %w", err)
		}
		defer f.Close()
		config.Console = f
	}
	result, err := vm.Run(ctx, *config, forwarded(ctx))
	return verdict(c, kernel, result, err)
}

// configOf is what the command line asks for.
func configOf(c *cli.Command, kernel *kernels.Kernel, cache *kernels.Cache) (*vm.Config, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	if init := c.String("init"); init != "" {
		self = init
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	args := c.Args().Slice()
	if _, err := os.Stat(args[0]); err != nil {
		return nil, fmt.Errorf("the test binary: %w: build it by `go test -c`", err)
	}
	stdout, stderr := io.Writer(os.Stdout), io.Writer(os.Stderr)
	if sameFile(os.Stdout, os.Stderr) {
		stderr = stdout
	}
	host, err := hostOf(c)
	if err != nil {
		return nil, err
	}
	return &vm.Config{
		Host: host, Leaks: c.Bool("leaks"),
		Kernel: kernel, Self: self, Args: args, Env: os.Environ(), Dir: dir,
		Memory: c.Int("memory"), Accel: vm.Accel(c.String("accel")),
		Programs: c.StringSlice("program"), Files: c.StringSlice("file"),
		Without: c.StringSlice("without-module"), Append: c.StringSlice("append"),
		Stdout: stdout, Stderr: stderr, CacheDir: cache.Dir(),
	}, nil
}

func hostFlag() cli.Flag {
	return &cli.BoolFlag{Name: "host-config", Usage: "apply this system's sysctl.d, modules-load.d, modprobe.d and nftables.conf in the machine"}
}

func hostRootFlag() cli.Flag {
	return &cli.StringFlag{Name: "host-root", Value: "/", Usage: "the `DIRECTORY` that is the root of the system whose configuration that is"}
}

// hostOf is the configuration of a system that machines are to apply; nil for
// none.
func hostOf(c *cli.Command) (*hostconfig.Config, error) {
	if !c.Bool("host-config") {
		if c.IsSet("host-root") {
			return nil, exit{statusUsage, errors.New("--host-root says where --host-config finds a configuration: give both")}
		}
		return nil, nil
	}
	return hostconfig.Read(c.String("host-root"))
}

// booted tells a user about a machine's start.
func booted(b vm.Boot) string {
	text := fmt.Sprintf("kernel %s runs after %.1f s (%s", b.Release, b.Took.Seconds(), b.Accel)
	if b.Accel == vm.TCG {
		text = strings.TrimSuffix(text, string(vm.TCG)) + fmt.Sprintf("emulated; deadlines × %.0f", b.Scale)
	}
	if b.Serial {
		text += "; over the serial line, since the kernel has no driver for virtio ports"
	}
	return text + ")"
}

// verdict is the end of the program.
func verdict(c *cli.Command, kernel *kernels.Kernel, r *vm.Result, err error) error {
	var crash *vm.Crash
	switch {
	case errors.As(err, &crash):
		return exit{statusCrash, err}
	case r == nil:
		return err
	case err != nil && r.Status == 0 && r.Signal == 0:
		return exit{statusCannot, err}
	}
	say := teller(c)
	if err != nil {
		say("%v", err)
	}
	for _, text := range r.Complaints {
		say("kernel %s: %s", kernel.Release, text)
	}
	for _, text := range r.Oops {
		fmt.Fprintf(c.Root().ErrWriter, "    %s\n", text)
	}
	if !c.Bool("quiet") {
		for _, file := range kept(r.Files) {
			say("brought back %s", file)
		}
		say("kernel %s: done after %.1f s", r.Release, r.Took.Round(100*time.Millisecond).Seconds())
	}
	switch {
	case r.Signal != 0:
		return exit{statusSignal + int(r.Signal), fmt.Errorf("the tests were ended by a signal: %s", r.Signal)}
	case r.Status != 0:
		return exit{r.Status, nil} // the tests have said why
	case len(r.Complaints) > 0:
		return exit{statusComplaint, fmt.Errorf("the tests passed, but kernel %s complained", r.Release)}
	}
	return nil
}

// kept are the directories of what failed tests keep: they were named before
// they were here.
func kept(files []string) (dirs []string) {
	for _, f := range files {
		dir := filepath.Dir(f)
		if strings.HasPrefix(filepath.Base(dir), "netrig-") && (len(dirs) == 0 || dirs[len(dirs)-1] != dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// forwarded are the signals that the tests get themselves: go test sends SIGQUIT
// to tests that take too long, to see where they are.
func forwarded(ctx context.Context) <-chan syscall.Signal {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGQUIT)
	out := make(chan syscall.Signal)
	go func() {
		for {
			select {
			case s := <-caught:
				select {
				case out <- s.(syscall.Signal):
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// sameFile reports whether two descriptors write to the same place.
func sameFile(a, b *os.File) bool {
	sa, errA := a.Stat()
	sb, errB := b.Stat()
	return errA == nil && errB == nil && os.SameFile(sa, sb)
}

// teller writes lines for the user to standard error.
func teller(c *cli.Command) func(string, ...any) {
	w := c.Root().ErrWriter
	return func(format string, args ...any) { fmt.Fprintf(w, "netrig: "+format+"\n", args...) }
}
