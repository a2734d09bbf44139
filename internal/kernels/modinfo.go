package kernels

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strings"
)

// modinfo is what a module says about itself in its section .modinfo, which is
// where depmod has it from (modinfo(8)). Packages have no modules.dep: that is
// made where they are installed.
type modinfo struct {
	name     string
	depends  []string // modules that must be there before it
	softPre  []string // modules, or aliases, that had better be
	aliases  []string
	vermagic string
}

func readModinfo(module []byte) (modinfo, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return modinfo{}, fmt.Errorf("no ELF file: %w", err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return modinfo{}, fmt.Errorf("it has no section .modinfo")
	}
	data, err := section.Data()
	if err != nil {
		return modinfo{}, fmt.Errorf("section .modinfo: %w", err)
	}
	var m modinfo
	for _, entry := range strings.Split(string(data), "\x00") {
		key, value, _ := strings.Cut(entry, "=")
		switch key {
		case "name":
			m.name = underscores(value)
		case "vermagic":
			m.vermagic = value
		case "alias":
			m.aliases = append(m.aliases, underscores(value))
		case "depends":
			for _, d := range strings.Split(value, ",") {
				if d != "" {
					m.depends = append(m.depends, underscores(d))
				}
			}
		case "softdep":
			m.softPre = append(m.softPre, softPre(value)...)
		}
	}
	return m, nil
}

// softPre takes the names after "pre:" from a softdep (modprobe.d(5)).
func softPre(value string) (names []string) {
	pre := false
	for _, word := range strings.Fields(value) {
		if strings.HasSuffix(word, ":") {
			pre = word == "pre:"
		} else if pre {
			names = append(names, underscores(word))
		}
	}
	return names
}

// underscores is a module's name as the kernel has it: "-" and "_" are the same
// there (modprobe(8)), except inside the brackets of a pattern.
func underscores(s string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		case '-':
			if depth == 0 {
				return '_'
			}
		}
		return r
	}, s)
}
