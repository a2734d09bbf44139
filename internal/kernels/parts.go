package kernels

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// parts is a kernel being laid out, in a directory that nobody else knows yet.
type parts struct {
	dir     string
	kernel  Kernel
	modules string // a tree as /lib/modules/RELEASE is
}

// unpack takes what a kernel consists of from a package. Debian's kernels come
// in one package up to 6.18 and in three from 6.19 on (binary, modules and base).
func (p *parts) unpack(deb string) error {
	p.modules = filepath.Join(p.dir, "raw")
	return readDeb(deb, func(c stanza) error {
		p.kernel.Sources = append(p.kernel.Sources, c["Package"]+"="+c["Version"])
		if v := p.kernel.Version; v != "" && v != c["Version"] {
			return fmt.Errorf("%s is of version %s, and another package of %s: they must be of one kernel", deb, c["Version"], v)
		}
		p.kernel.Version = c["Version"]
		return nil
	}, func(h *tar.Header, r io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		release, below := place(h.Name)
		if release == "" {
			return nil
		}
		if of := p.kernel.Release; of != "" && of != release {
			return fmt.Errorf("%s is of kernel %s, and another package of %s: they must be of one kernel", deb, release, of)
		}
		p.kernel.Release = release
		switch {
		case below == imageFile || below == configFile:
			return writeFile(filepath.Join(p.dir, below), r)
		case strings.HasPrefix(below, "kernel/") || below == "modules.builtin":
			return writeFile(filepath.Join(p.modules, filepath.FromSlash(below)), r)
		}
		return nil
	})
}

// place tells to what kernel a file of a package belongs, and what it is: a
// path below /lib/modules/RELEASE, where the files of /boot are since 6.19 too.
func place(name string) (release, below string) {
	name = strings.TrimPrefix(name, "usr/")
	if rest, ok := strings.CutPrefix(name, "lib/modules/"); ok {
		release, below, _ = strings.Cut(rest, "/")
		return release, below
	}
	for _, file := range []string{imageFile, configFile} {
		if rest, ok := strings.CutPrefix(name, path.Join("boot", file)+"-"); ok {
			return rest, file
		}
	}
	return "", ""
}

// finish makes of the parts what a machine needs.
func (p *parts) finish() error {
	k := &p.kernel
	arch, release, err := inspect(filepath.Join(p.dir, imageFile))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no kernel image in %s: a kernel from 6.19 on comes in the packages linux-binary-, linux-modules- and linux-base-, "+
			"all of which are needed", strings.Join(k.Sources, ", "))
	}
	if err != nil {
		return err
	}
	k.Arch = arch
	if release != "" {
		if k.Release != "" && k.Release != release {
			return fmt.Errorf("the image is kernel %s, and the modules are for %s", release, k.Release)
		}
		k.Release = release
	}
	if b, err := os.ReadFile(filepath.Join(p.dir, configFile)); err == nil {
		sum := sha256.Sum256(b)
		k.ConfigHash = hex.EncodeToString(sum[:])
	}
	table, err := modulesOf(k.Release, p.modules, filepath.Join(p.dir, modulesDir))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("kernel %s has no modules in %s: the package with its modules is missing", k.Release, strings.Join(k.Sources, ", "))
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.dir, tableFile), table.Text(), 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(p.dir, "raw")); err != nil {
		return err
	}
	k.Made = time.Now().UTC().Truncate(time.Second)
	return k.save(p.dir)
}
