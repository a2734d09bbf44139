package oracle

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
	"github.com/netrig/netrig/internal/sandbox"
	"golang.org/x/sys/unix"
)

// scriptPatience is how long a script may take, programPatience one program
// that is asked for the state: a hundred times what they need.
const (
	scriptPatience  = 30 * time.Second
	programPatience = 20 * time.Second
)

// Typed runs a script of testdata/oracle for a family, "IPv4" or "IPv6", in new
// network and mount namespaces with a /run of their own, and returns the
// network that it typed. The script's processes are gone when it returns.
func Typed(script, family string) (*Network, error) {
	if !sandbox.Active() {
		return nil, errors.New("scripts are run inside the sandbox only: call harness.Main from TestMain")
	}
	s := &session{
		Network: &Network{nodes: map[string]*ns.Namespace{}, sysctls: map[string][]string{}},
		script:  script, family: family,
	}
	done := make(chan error)
	go func() {
		// Never unlocked: the thread ends with its goroutine, and the mount
		// namespace with it. The nodes live on by their descriptors.
		runtime.LockOSThread()
		done <- s.run()
	}()
	if err := <-done; err != nil {
		s.Close()
		return nil, err
	}
	return s.Network, nil
}

// session is one script being run, on a thread that is in its namespaces.
type session struct {
	*Network
	script, family string
	tuners         []*tuner
}

func (s *session) run() error {
	if err := furnish(); err != nil {
		return fmt.Errorf("make namespaces for a script: %w", err)
	}
	defer s.closeTuners()
	// The script asks on one pipe and is answered on the other.
	asked, ask, err := os.Pipe()
	if err != nil {
		return err
	}
	defer asked.Close()
	answer, answered, err := os.Pipe()
	if err != nil {
		ask.Close()
		return err
	}
	defer answered.Close()
	// Its output goes to a file: what it leaves running can hold a pipe open.
	output, err := os.Create(filepath.Join(tools, "output"))
	if err != nil {
		return err
	}
	defer output.Close()

	ctx, cancel := deadline.Context(scriptPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", s.script, s.family)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{ask, answer} // descriptors 3 and 4
	cmd.Env = append(os.Environ(), "NETRIG_ORACLE=1", "LC_ALL=C", "PATH="+tools+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = cmd.Start()
	ask.Close()
	answer.Close()
	if err == nil {
		err = s.serve(cmd, asked, answered)
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // what it left running
	}
	if err == nil {
		err = s.ready()
	}
	if err != nil {
		said, _ := os.ReadFile(output.Name())
		return fmt.Errorf("%s %s: %w\n%s", s.script, s.family, err, bytes.TrimSpace(said))
	}
	return nil
}

// serve answers the script until it ends. It never asks without waiting for
// the answer, so that nothing is under way when it has ended.
func (s *session) serve(cmd *exec.Cmd, asked io.Reader, answered io.Writer) error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	over := make(chan struct{})
	defer close(over)
	lines := make(chan string)
	go func() {
		for scanner := bufio.NewScanner(asked); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-over:
			}
		}
	}()
	for {
		select {
		case line := <-lines:
			answer := "ok"
			if err := s.answer(strings.Fields(line)); err != nil {
				answer = strings.ReplaceAll(err.Error(), "\n", " / ")
			}
			if _, err := fmt.Fprintln(answered, answer); err != nil {
				return fmt.Errorf("answer %q: %w", line, err)
			}
		case err := <-ended:
			return err
		}
	}
}

// answer does what the script asks for (`ask` of family.sh).
func (s *session) answer(words []string) error {
	switch {
	case len(words) > 1 && words[0] == "node":
		for _, name := range words[1:] {
			if err := s.add(name); err != nil {
				return err
			}
		}
		return nil
	case len(words) == 1 && words[0] == "ready":
		return s.ready()
	case len(words) > 1 && words[0] == "sysctl":
		return s.note(words[1], words[2:])
	}
	return fmt.Errorf("the runner does not know %q", words)
}

// add takes a namespace that the script has made among the nodes.
func (s *session) add(name string) error {
	if err := s.open(name, filepath.Join("/run/netns", name)); err != nil {
		return err
	}
	t, err := newTuner(s.nodes[name], s.family == "IPv6")
	if err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	s.tuners = append(s.tuners, t)
	return nil
}

func (s *session) ready() error {
	for _, t := range s.tuners {
		if err := t.tune(); err != nil {
			return err
		}
	}
	for _, t := range s.tuners {
		if err := t.await(); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) closeTuners() {
	for _, t := range s.tuners {
		t.close()
	}
}

// note writes down the sysctls that are set in a namespace, "net:[4026532000]".
func (s *session) note(space string, args []string) error {
	for name, n := range s.nodes {
		if fmt.Sprintf("net:[%d]", n.Inode()) != space {
			continue
		}
		for _, arg := range args {
			if key, _, ok := strings.Cut(arg, "="); ok {
				s.sysctls[name] = append(s.sysctls[name], sysctlPath(key))
			}
		}
		return nil
	}
	return fmt.Errorf("sysctl %q is set in no node", args)
}

// sysctlPath is a sysctl's name as a path: dots are written for slashes, unless
// it has slashes (sysctl(8)).
func sysctlPath(name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	return strings.ReplaceAll(name, ".", "/")
}

// tools is a folder of programs that come first in a script's PATH.
const tools = "/run/oracle"

// sysctlTool tells the runner which sysctls are typed where, and then sets them.
const sysctlTool = `#!/bin/sh
echo "sysctl $(readlink /proc/self/ns/net) $*" >&3
read -r answer <&4
[ "$answer" = ok ] || { echo "$answer" >&2; exit 1; }
exec %s "$@"
`

// furnish moves the thread to new namespaces, with an empty /run but for the
// tools.
func furnish() error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs on /run: %w", err)
	}
	if err := os.Mkdir(tools, 0o755); err != nil {
		return err
	}
	if sysctl, err := exec.LookPath("sysctl"); err == nil {
		if err := os.WriteFile(filepath.Join(tools, "sysctl"), fmt.Appendf(nil, sysctlTool, sysctl), 0o755); err != nil {
			return err
		}
	}
	for program := range variants {
		if file, err := exec.LookPath(nftVariant(program)); err == nil {
			if err := os.Symlink(file, filepath.Join(tools, program)); err != nil {
				return err
			}
		}
	}
	return nil
}

// variants are the programs of iptables by the names of the nf_tables variant.
var variants = map[string]string{
	"iptables": "iptables-nft", "iptables-save": "iptables-nft-save",
	"ip6tables": "ip6tables-nft", "ip6tables-save": "ip6tables-nft-save",
}

// nftVariant is the program of that name; of the iptables programs the one of the
// nf_tables variant, whatever the plain name means here.
func nftVariant(program string) string {
	if nft, ok := variants[program]; ok {
		if _, err := exec.LookPath(nft); err == nil {
			return nft
		}
	}
	return program
}
