package kernels

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
)

// inspect tells for what architecture a kernel's image is, and its release.
func inspect(file string) (arch, release string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	arch, release, err = inspectBytes(b)
	if err != nil {
		return "", "", fmt.Errorf("%s is no kernel that can be booted: %w", file, err)
	}
	return arch, release, nil
}

func inspectBytes(b []byte) (arch, release string, err error) {
	// Documentation/arch/x86/boot.rst: "HdrS" at 0x202, and at 0x20e the place of
	// the version's text, less 0x200.
	if len(b) > 0x210 && string(b[0x202:0x206]) == "HdrS" {
		at := int(binary.LittleEndian.Uint16(b[0x20e:])) + 0x200
		if at >= len(b) {
			return "", "", errors.New("it ends early")
		}
		text, _, _ := bytes.Cut(b[at:min(len(b), at+256)], []byte{0})
		if f := strings.Fields(string(text)); len(f) > 0 {
			return "amd64", f[0], nil
		}
		return "", "", errors.New("it does not say its release")
	}
	// Documentation/arch/arm64/booting.rst: the magic number at 56.
	if len(b) > 64 && string(b[56:60]) == "ARM\x64" {
		return "arm64", "", nil
	}
	return "", "", errors.New("neither an x86 bzImage nor an arm64 Image")
}
