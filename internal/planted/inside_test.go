//go:build machine

package planted

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// plantVariable says, in a machine, what is to be altered before the tests.
const plantVariable = "NETRIG_PLANT"

// plantInside is the beginning of this program in a machine: it alters something
// and runs the tests, which are its arguments.
func plantInside() {
	what := os.Getenv(plantVariable)
	if what == "" {
		return
	}
	status, err := plant(what)
	if err != nil {
		fmt.Fprintf(os.Stderr, "plant %s: %v\n", what, err)
		status = 125
	}
	os.Exit(status)
}

func plant(what string) (status int, err error) {
	name, value, _ := strings.Cut(what, "=")
	if p, ok := dropped[what]; ok {
		l, err := p.attach()
		if err != nil {
			return 0, err
		}
		defer l.Close()
	} else if err := os.WriteFile("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), []byte(value), 0); err != nil {
		return 0, err
	}
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		return ended.ExitCode(), nil
	}
	return 0, err
}

// packets are those with a protocol, in the IP header, and a type or flag at an
// offset behind it.
type packets struct {
	version  int32 // 4 or 6
	protocol int32
	at       int32 // from the beginning of the IP header
	value    int32
}

// dropped are the packets that a program on the hook of the outgoing side loses.
var dropped = map[string]packets{
	"drop-time-exceeded": {4, 1, 20, 11},
	"drop-solicitation":  {6, 58, 40, 135},
}

// attach loses the packets in every namespace: the hook is that of all processes
// and of the kernel's own sockets.
func (p packets) attach() (link.Link, error) {
	protocol := int32(9)
	if p.version == 6 {
		protocol = 6
	}
	load := func(offset int32) asm.Instructions {
		return asm.Instructions{
			asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, offset),
			asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, -8), asm.Mov.Imm(asm.R4, 1),
			asm.FnSkbLoadBytes.Call(), asm.JNE.Imm(asm.R0, 0, "pass"),
			asm.LoadMem(asm.R0, asm.R10, -8, asm.Byte),
		}
	}
	code := asm.Instructions{asm.Mov.Reg(asm.R6, asm.R1)}
	code = append(code, load(0)...)
	code = append(code, asm.RSh.Imm(asm.R0, 4), asm.JNE.Imm(asm.R0, p.version, "pass"))
	code = append(code, load(protocol)...)
	code = append(code, asm.JNE.Imm(asm.R0, p.protocol, "pass"))
	code = append(code, load(p.at)...)
	code = append(code, asm.JNE.Imm(asm.R0, p.value, "pass"), asm.Mov.Imm(asm.R0, 0), asm.Return(),
		asm.Mov.Imm(asm.R0, 1).WithSymbol("pass"), asm.Return())
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.CGroupSKB, AttachType: ebpf.AttachCGroupInetEgress, Instructions: code, License: "GPL"})
	if err != nil {
		return nil, err
	}
	return link.AttachCgroup(link.CgroupOptions{Path: "/sys/fs/cgroup", Attach: ebpf.AttachCGroupInetEgress, Program: program})
}
